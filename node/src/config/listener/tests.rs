use std::path::Path;

use holdline_model::Transport;

use crate::config::{Config, ConfigError};

/// A valid file with these listeners.
fn with(listeners: &str) -> Result<Config, ConfigError> {
    let text = format!(
        "[node]\nid = 1\ndata_dir = \"data\"\n\
         [cluster]\nname = \"test\"\nkey = \"{}\"\n\
         members = [{{ id = 1, rpc = \"127.0.0.11:7060\" }}]\n\
         [sip]\naddresses = [\"10.0.0.1:5060\"]\n{listeners}\n\
         [[trunk]]\nname = \"a\"\naddress = \"127.0.0.1:5070\"\n\
         [[route]]\nprefix = \"\"\ntrunks = [\"a\"]\n\
         [admin]\nlisten = \"127.0.0.11:8060\"\n",
        "0".repeat(64)
    );
    Config::from_toml(&text, Path::new("/etc/holdline/node.toml"))
}

#[test]
fn a_listener_says_where_peers_reach_it() {
    let config = with(
        "[[sip.listener]]\naddress = \"10.0.0.1:5060\"\ntransport = \"udp\"\n\
         advertise = \"203.0.113.1:5062\"\n\
         [[sip.listener]]\naddress = \"10.0.0.1:5060\"\ntransport = \"tcp\"\n",
    );
    let listeners = config.unwrap().sip.listeners;
    let found: Vec<_> = listeners.iter().map(|each| (each.transport, each.advertised)).collect();
    let public = "203.0.113.1:5062".parse().unwrap();
    assert_eq!(found, [(Transport::Udp, Some(public)), (Transport::Tcp, None)]);
}

#[test]
fn an_address_that_cannot_stand_for_another_is_refused_by_name() {
    let udp = "[[sip.listener]]\naddress = \"10.0.0.1:5060\"\ntransport = \"udp\"\n";
    for (advertise, expected) in [
        ("\"[2001:db8::1]:5060\"", "[2001:db8::1]:5060 cannot stand for 10.0.0.1:5060"),
        ("\"0.0.0.0:5060\"", "sip.listener.advertise: "),
        ("\"203.0.113.1:0\"", "sip.listener.advertise: "),
    ] {
        let error = with(&format!("{udp}advertise = {advertise}\n")).expect_err(advertise);
        assert!(error.to_string().contains(expected), "{error}");
    }
    // Without anything new to say it is written twice.
    let error = with(udp).expect_err("a duplicate").to_string();
    assert!(error.contains("sip.listener: "), "{error}");
}
