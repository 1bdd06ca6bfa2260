//! Each fault with its whole message: file, line, column, key, cause, next step.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use holdline_call::{Redirect, TrunkSecret};
use holdline_model::NodeId;

use super::*;
use crate::config::{EXAMPLE, FloatingConfig};

/// A valid file; each case changes one line of it.
const VALID: &str = r#"[node]
id = 1
data_dir = "data"
[cluster]
name = "test"
key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
members = [
  { id = 1, rpc = "127.0.0.11:7060" },
  { id = 2, rpc = "127.0.0.12:7060" },
  { id = 3, rpc = "127.0.0.13:7060" },
]
[sip]
addresses = ["127.0.0.11:5060"]
[[trunk]]
name = "carrier-a"
address = "127.0.0.1:5070"
[[route]]
prefix = ""
trunks = ["carrier-a"]
[admin]
listen = "127.0.0.11:8060"
"#;

fn load(text: &str) -> Result<Config, ConfigError> {
    Config::from_toml(text, Path::new("/etc/holdline/node.toml"))
}

/// The message for the valid file with one text replaced by another.
fn message(from: &str, to: &str) -> String {
    assert!(VALID.contains(from), "{from:?} is not in the valid file");
    let error = load(&VALID.replacen(from, to, 1)).expect_err(to).to_string();
    error.replace("/etc/holdline/", "")
}

#[test]
fn a_minimal_file_has_all_defaults() {
    let config = load(VALID).unwrap();
    assert_eq!(config.node.id, NodeId(1));
    assert_eq!(config.node.data_dir, Path::new("/etc/holdline/data"));
    assert_eq!(config.node.pop.as_str(), "default");
    assert_eq!(config.cluster.slots, 64);
    assert_eq!(config.cluster.rpc, "127.0.0.11:7060".parse().unwrap());
    assert_eq!(config.cluster.gossip, config.cluster.rpc);
    assert_eq!(config.cluster.seeds.len(), 3);
    assert_eq!(config.cluster.key.bytes()[31], 0x1f);
    assert_eq!(config.sip.floating, FloatingConfig::Bind);
    assert_eq!(config.sip.calls.max_call_duration, None);
    assert_eq!(config.trunks[0].tenant.as_str(), "default");
    assert_eq!(config.trunks[0].sources, Some(vec!["127.0.0.1".parse().unwrap()]));
    assert_eq!(config.admin.token, None);
    assert_eq!(config.warnings, Vec::<String>::new());
    let routing = config.routing().unwrap();
    assert_eq!(
        routing.targets("sip:123@h", "127.0.0.11:5060".parse().unwrap())[0].trunk.as_str(),
        "carrier-a"
    );
}

#[test]
fn keys_that_are_unknown_or_missing_are_named_where_they_are() {
    assert_eq!(
        message("trunks = [", "trunkz = ["),
        "node.toml:19:1: [[route]]: unknown key \"trunkz\"; did you mean \"trunks\"?"
    );
    assert_eq!(
        message("id = 1\n", "id = 1\nzzzzzz = 2\n"),
        "node.toml:3:1: [node]: unknown key \"zzzzzz\"; known here: id, pop, role, data_dir, threads"
    );
    assert_eq!(
        message("data_dir = \"data\"\n", ""),
        "node.toml:1:1: [node]: the key \"data_dir\" is missing; add \"data_dir\" to this section"
    );
    assert_eq!(
        message("[[trunk]]", "[[trunks]]"),
        "node.toml:14:3: [[trunks]]: unknown key \"trunks\"; did you mean \"trunk\"?"
    );
}

#[test]
fn values_of_the_wrong_form_are_named() {
    assert_eq!(
        message("\"127.0.0.1:5070\"", "\"carrier example\""),
        "node.toml:16:11: trunk.address: \"carrier example\" is neither an address with a port nor \
         the name of a host; write 192.0.2.10:5060, sip.example.com or sip.example.com:5060"
    );
    assert_eq!(
        message("id = 1\n", "id = \"one\"\n"),
        "node.toml:2:6: [node] id: invalid type: string \"one\", expected u64; see `holdline \
         config example` for its form"
    );
    assert_eq!(
        message("id = 1\n", "id = \n"),
        "node.toml:2:6: [node] id: string values must be quoted, expected literal string; see \
         `holdline config example`"
    );
}

#[test]
fn contradictions_name_both_values() {
    for (from, to, expected) in [
        (
            "id = 1\n",
            "id = 7\n",
            "node.toml:2:6: node.id: node 7 is not among the members (1, 2, 3); add { id = 7, rpc \
             = \"…\" } to cluster.members, or correct node.id",
        ),
        (
            "id = 1\n",
            "id = 1\npop = \"ams\"\n",
            "node.toml:3:7: node.pop: pop is \"ams\" here but \"default\" in the list of members; \
             make them equal, or leave out node.pop",
        ),
        (
            "{ id = 2",
            "{ id = 1",
            "node.toml:9:10: cluster.members.id: \"1\" stands twice; remove or change one of them",
        ),
        (
            "name = \"test\"\n",
            "name = \"test\"\nslots = 2\n",
            "node.toml:6:9: cluster.slots: 2 slots for 3 members; set cluster.slots to 3 or more \
             (64 is usual)",
        ),
        (
            "name = \"test\"\n",
            "name = \"test\"\nslots = 5000\n",
            "node.toml:6:9: cluster.slots: 5000 is out of range; give a value from 1 to 4096",
        ),
        (
            "trunks = [\"carrier-a\"]",
            "trunks = [\"carier-a\"]",
            "node.toml:19:11: route.trunks: there is no trunk \"carier-a\"; did you mean \
             \"carrier-a\"?",
        ),
        (
            "listen = \"127.0.0.11:8060\"",
            "listen = \"127.0.0.11:7060\"",
            "node.toml:21:10: admin.listen: 127.0.0.11:7060 is also cluster.rpc; give one of them \
             another port",
        ),
        (
            "[\"127.0.0.11:5060\"]",
            "[\"0.0.0.0:5060\"]",
            "node.toml:13:14: sip.addresses: 0.0.0.0:5060 names no host that others can reach; \
             write the host's own address in place of it",
        ),
        (
            "prefix = \"\"",
            "prefix = \"49-69\"",
            "node.toml:18:10: route.prefix: \"49-69\" is not a dialled prefix; use digits with an \
             optional + in front, or \"\" for every number",
        ),
        (
            "address = \"127.0.0.1:5070\"",
            "address = \"127.0.0.1:5070\"\nsources = [\"10.0.0.1/8\"]",
            "node.toml:17:12: trunk.sources: \"10.0.0.1/8\": the address has bits set below the \
             prefix; did you mean 10.0.0.0/8?; write 192.0.2.7 or 192.0.2.0/24",
        ),
    ] {
        assert_eq!(message(from, to), expected);
    }
}

#[test]
fn the_parts_checks_are_asked() {
    let raft = message("[sip]", "[cluster.raft]\nelection_min_ms = 300\n[sip]");
    assert!(raft.starts_with("node.toml:12:1: cluster.raft: "), "{raft}");
    assert!(
        raft.contains("election_min_ms is 300ms") && raft.contains("election_max_ms"),
        "{raft}"
    );
    let call = message("[[trunk]]", "failover_statuses = [200]\n[[trunk]]");
    assert!(call.starts_with("node.toml:12:1: sip: failover_statuses has 200"), "{call}");
    let timers = message("[[trunk]]", "t1_ms = 500\nt2_ms = 100\n[[trunk]]");
    assert!(timers.contains("sip.t1_ms: T2 (100 ms) is shorter than T1 (500 ms)"), "{timers}");
    let unknown = message("[sip]", "[cluster.raft]\nheartbeat = 1\n[sip]");
    assert!(unknown.contains("did you mean \"heartbeat_ms\"?"), "{unknown}");
    let level = message("[admin]", "[log]\nlevel = \"loud\"\n[admin]");
    assert!(level.contains("log.level: \"loud\" is not a log level"), "{level}");
}

#[test]
fn one_source_belongs_to_one_trunk() {
    let second = "[[trunk]]\nname = \"b\"\naddress = \"127.0.0.1:5071\"\n[[route]]";
    let error = message("[[route]]", second);
    let expected = "node.toml:19:11: trunk.sources: 127.0.0.1/32 is a source of trunk \"carrier-a\" \
                    and of trunk \"b\"; a source tells which trunk a call came from: leave it to \
                    one trunk, and give the other sources = []";
    assert_eq!(error, expected);
    let silent = second.replace("\n[[route]]", "\nsources = []\n[[route]]");
    let config = load(&VALID.replacen("[[route]]", &silent, 1)).unwrap();
    let routing = config.routing().unwrap();
    let source =
        routing.source(&IpAddr::from([127, 0, 0, 1]).into(), &holdline_call::NoNames).unwrap();
    assert_eq!(source.name.as_str(), "carrier-a", "the other trunk claims nothing");
}

#[test]
fn an_open_admin_api_needs_a_token() {
    assert_eq!(
        message("listen = \"127.0.0.11:8060\"", "listen = \"192.0.2.1:8060\""),
        "node.toml:21:10: admin.listen: 192.0.2.1:8060 is not a loopback address and there is no \
         token; set admin.token_file (make one with: openssl rand -hex 32), or listen on 127.0.0.1"
    );
    let token = "listen = \"192.0.2.1:8060\"\ntoken = \"0123456789abcdef\"";
    let config = load(&VALID.replace("listen = \"127.0.0.11:8060\"", token)).unwrap();
    assert_eq!(config.admin.token.unwrap().as_str(), "0123456789abcdef");
    assert_eq!(
        message("[admin]", "[admin]\ntoken = \"short\""),
        "node.toml:21:9: admin.token: the token has 5 characters, fewer than 16; make one with: \
         openssl rand -hex 32"
    );
}

#[test]
fn all_contradictions_are_reported_at_once() {
    let text = VALID.replace("id = 1\n", "id = 9\n").replace("[\"carrier-a\"]", "[\"x\"]");
    let ConfigError::Faults(faults) = load(&text).unwrap_err() else { panic!("no faults") };
    assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 19]);
}

#[test]
fn secrets_come_from_files_that_not_everybody_can_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cluster.key");
    let text = VALID.replacen("key = \"", "key_file = \"cluster.key\"\n# \"", 1);
    let path = dir.path().join("node.toml");
    let load = || Config::from_toml(&text, &path).map_err(|error| error.to_string());
    assert!(load().unwrap_err().contains("No such file"), "{:?}", load());
    fs::write(&file, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(load().unwrap_err().contains("(mode 0644); run: chmod 600 "), "{:?}", load());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(load().unwrap().cluster.key.bytes()[31], 0x1f);
    fs::write(&file, "AAEC").unwrap();
    let error = load().unwrap_err();
    assert!(error.contains("not 32 bytes") && !error.contains("AAEC"), "{error}");
}

#[test]
fn secrets_are_not_in_the_debug_form() {
    let config = load(&VALID.replace("[admin]", "[admin]\ntoken = \"0123456789abcdef\"")).unwrap();
    let debug = format!("{config:?}");
    assert!(!debug.contains("0123456789abcdef"), "{debug}");
    assert!(debug.contains("ClusterKey(…)"), "{debug}");
}

#[test]
fn the_cluster_s_id_follows_from_its_name() {
    let id = |name: &str| load(&VALID.replace("\"test\"", name)).unwrap().cluster.id();
    assert_eq!(id("\"test\""), id("\"test\""));
    assert_ne!(id("\"test\""), id("\"other\""));
}

#[test]
fn a_file_that_is_not_there_says_where_to_start() {
    let error = Config::load(Path::new("/nonexistent/node.toml")).unwrap_err().to_string();
    assert!(error.starts_with("/nonexistent/node.toml: cannot be read: No such file"), "{error}");
    assert!(error.ends_with("holdline config example > node.toml"), "{error}");
}

#[test]
fn the_example_is_valid_and_its_comments_show_the_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("cluster.key");
    fs::write(&key, "0".repeat(64)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let text = EXAMPLE.replace("/etc/holdline/cluster.key", &key.display().to_string());
    let plain = Config::from_toml(&text, Path::new("node.toml")).unwrap();
    // Every commented key is one with its default, so that the comments cannot go stale.
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if is_setting(rest) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let uncommented = uncommented
        .lines()
        .filter(|line| {
            ![
                "token_file",
                "pop",
                "threads",
                "shards",
                "join",
                "round_trip_ms",
                "[storage.encryption",
                "key_files",
            ]
            .iter()
            .any(|key| line.starts_with(key))
        })
        .collect::<Vec<_>>()
        .join("\n");
    assert_ne!(uncommented, text);
    let full = Config::from_toml(&uncommented, Path::new("node.toml")).unwrap();
    assert_eq!(format!("{full:?}"), format!("{plain:?}"));
    assert_eq!(plain.cluster.hand_back_after, Duration::from_secs(10));
}

fn is_setting(line: &str) -> bool {
    let key = line.split_once(" = ").map(|(key, _)| key);
    key.is_some_and(|key| key.chars().all(|c| c.is_ascii_lowercase() || "_124".contains(c)))
        || line.starts_with("[cluster")
        || line.starts_with("[storage")
        || line.starts_with("[probe")
        || line.starts_with("[breaker")
        || line.starts_with("[dns")
}

#[test]
fn a_trunk_may_have_a_name_and_its_calls_then_come_from_wherever_it_leads() {
    let text = VALID.replace("\"127.0.0.1:5070\"", "\"SIP.carrier.example\"");
    let config = load(&text).unwrap();
    let trunk = &config.trunks[0];
    assert_eq!(
        (trunk.next().0.to_string().as_str(), &trunk.sources),
        ("sip.carrier.example", &None)
    );
    let more = "proxy = \"192.0.2.9:5070\"\n";
    let text = text.replace("name = \"carrier-a\"\n", &format!("name = \"carrier-a\"\n{more}"));
    let config = load(&text).unwrap();
    let trunk = &config.trunks[0];
    assert_eq!(trunk.next().0.to_string(), "192.0.2.9:5070");
    assert_eq!(trunk.sources.as_ref().unwrap()[0].to_string(), "192.0.2.9/32");
}

#[test]
fn bounds_of_names_are_checked_against_each_other() {
    let error = load(&format!("{VALID}[dns]\nmin_ttl_ms = 5000\nmax_ttl_ms = 1000\n"));
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("dns.max_ttl_ms: 1000 is below dns.min_ttl_ms, which is 5000"),
        "{error}"
    );
    let config = load(&format!("{VALID}[dns]\nservers = [\"127.0.0.53:53\"]\n")).unwrap();
    assert_eq!(config.dns.servers.servers.len(), 1);
}

/// The valid file with a second trunk and a group, and what is wrong with the group.
fn with_group(group: &str) -> Result<Config, String> {
    let group = format!(
        "[[trunk]]\nname = \"carrier-b\"\naddress = \"127.0.0.1:5071\"\nsources = []\n\
         [[trunk_group]]\n{group}\n[[route]]\nprefix = \"+\"\ngroup = \"out\"\n"
    );
    let text = format!("{VALID}{group}");
    load(&text).map_err(|error| error.to_string().replace("/etc/holdline/", ""))
}

#[test]
fn a_trunk_group_is_read_and_its_route_leads_to_it() {
    let members = "members = [{ trunk = \"carrier-a\", priority = 2 }, { trunk = \"carrier-b\", weight = 3 }]";
    let config = with_group(&format!("name = \"out\"\npolicy = \"weighted\"\n{members}")).unwrap();
    let group = &config.groups[0];
    assert_eq!(group.policy, holdline_call::Policy::Weighted);
    assert_eq!((group.members[1].weight.get(), group.members[1].priority), (3, 1));
    let local = "127.0.0.11:5060".parse().unwrap();
    let targets = config.routing().unwrap().targets("sip:+1@h", local);
    let trunks: Vec<_> = targets.iter().map(|target| target.trunk.as_str()).collect();
    assert_eq!(trunks, ["carrier-b", "carrier-a"]);
}

#[test]
fn faults_of_trunk_groups_are_named() {
    let a = "members = [{ trunk = \"carrier-a\" }]";
    for (group, expected) in [
        ("name = \"carrier-a\"\n".to_owned() + a, "\"carrier-a\" stands twice"),
        (
            "name = \"aut\"\n".to_owned() + a,
            "there is no trunk group \"out\"; did you mean \"aut\"?",
        ),
        ("name = \"out\"\nmembers = []".to_owned(), "trunk_group.members: 0 is out of range"),
        (
            "name = \"out\"\nmembers = [{ trunk = \"carrier-c\" }]".to_owned(),
            "there is no trunk \"carrier-c\"; did you mean \"carrier-a\"?",
        ),
        (
            "name = \"out\"\nmembers = [{ trunk = \"carrier-a\" }, { trunk = \"carrier-a\" }]"
                .to_owned(),
            "trunk_group.members: \"carrier-a\" stands twice",
        ),
        (
            format!("name = \"out\"\nhash_over = \"user\"\n{a}"),
            "trunk_group.hash_over: the policy is not \"hash\"; set policy = \"hash\"",
        ),
        (format!("name = \"out\"\npolicy = \"random\"\n{a}"), "unknown variant `random`"),
        (
            "name = \"out\"\nmembers = [{ trunk = \"carrier-a\", weight = 101 }]".to_owned(),
            "weight: 101 is out of range; give a value from 1 to 100",
        ),
    ] {
        let error = with_group(&group).expect_err(&group);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_route_leads_to_trunks_or_to_a_group() {
    let both = message("trunks = [\"carrier-a\"]", "trunks = [\"carrier-a\"]\ngroup = \"out\"");
    assert!(both.contains("both \"trunks\" and \"group\" are set"), "{both}");
    let neither = message("trunks = [\"carrier-a\"]", "strip = 1");
    assert!(neither.contains("neither \"trunks\" nor \"group\" is set"), "{neither}");
}

#[test]
fn times_of_probes_and_breakers_are_held_against_each_other() {
    let probe = message("[admin]", "[probe]\ninterval_ms = 1000\n[admin]");
    assert!(probe.contains("2s is longer than probe.interval_ms, which is 1s"), "{probe}");
    let breaker = message("[admin]", "[breaker]\nopen_ms = 400000\n[admin]");
    assert!(
        breaker.contains("400s is longer than breaker.open_max_ms, which is 300s"),
        "{breaker}"
    );
    let config = load(&VALID.replace("[admin]", "[breaker]\nfailures = 2\n[admin]")).unwrap();
    assert_eq!(config.trunk_health.breaker.failures.get(), 2);
    assert_eq!(config.trunk_health.breaker.trial_timeout, Duration::from_secs(35));
}

#[test]
fn a_group_by_latency_wants_its_trunks_probed() {
    let members = "members = [{ trunk = \"carrier-a\" }]";
    let config = with_group(&format!("name = \"out\"\npolicy = \"lowest_latency\"\n{members}"));
    let warnings = config.unwrap().warnings;
    assert!(warnings[0].contains("trunk \"carrier-a\" is not probed"), "{warnings:?}");
}

/// The valid file as that of a node that joins.
fn joining(more: &str) -> String {
    let from = VALID.find("name = \"test\"").unwrap();
    let (key, to) = (VALID.find("key =").unwrap(), VALID.find("members").unwrap());
    let end = VALID.find("[sip]").unwrap();
    let (head, key, tail) = (&VALID[..from], &VALID[key..to], &VALID[end..]);
    let head = head.replace("id = 1\n", "");
    format!("{head}{key}rpc = \"127.0.0.14:7060\"\n{more}{tail}")
}

#[test]
fn a_node_that_joins_needs_only_the_key_and_a_seed() {
    let config = load(&joining("join = \"seed.example.com:7060\"\n")).unwrap();
    assert_eq!((config.node.id, config.cluster.name.as_str()), (NodeId(0), ""));
    assert_eq!(config.cluster.join, ["seed.example.com:7060"]);
    assert!(config.cluster.members.is_empty() && config.cluster.auto_promote);
    assert_eq!(config.this_member().rpc, "127.0.0.14:7060".parse().unwrap());
    let two = load(&joining("join = [\"192.0.2.1:7060\", \"192.0.2.2:7060\"]\n")).unwrap();
    assert_eq!(two.cluster.join.len(), 2);
    // The command line makes a member's file that of a node that joins.
    let path = Path::new("/etc/holdline/node.toml");
    let text =
        VALID.replacen("name = \"test\"\n", "name = \"test\"\nrpc = \"127.0.0.14:7060\"\n", 1);
    let config = text_joining(&text, path, "192.0.2.1:7060").unwrap();
    assert!(config.cluster.members.is_empty() && config.cluster.join.len() == 1);
}

fn text_joining(text: &str, path: &Path, seed: &str) -> Result<Config, ConfigError> {
    super::text(text, path, Some(seed))
}

#[test]
fn a_join_that_makes_no_sense_is_refused_by_name() {
    for (more, expected) in [
        ("", "neither \"members\" nor \"join\" is set"),
        (
            "join = \"seed\"\n",
            "cluster.join: \"seed\" is no host and port; write it as seed.example.com:7060",
        ),
        ("join = \"192.0.2.1:0\"\n", "is no host and port"),
        ("join = []\n", "cluster.join"),
        (
            "join = \"192.0.2.1:1\"\nmembers = [{ id = 1, rpc = \"192.0.2.1:1\" }]\n",
            "both \"members\" and \"join\" are set",
        ),
    ] {
        let error = load(&joining(more)).expect_err(more).to_string();
        assert!(error.contains(expected), "{more}: {error}");
    }
}

#[test]
fn a_witness_takes_no_sip_and_others_must() {
    let witness = |text: &str| text.replacen("[cluster]", "role = \"witness\"\n[cluster]", 1);
    let join = joining("join = \"192.0.2.1:7060\"\n");
    let error = load(&witness(&join)).expect_err("it has addresses").to_string();
    assert!(error.contains("a witness takes no SIP; leave the addresses out"), "{error}");
    let without = join.replacen("addresses = [\"127.0.0.11:5060\"]\n", "", 1);
    let config = load(&witness(&without)).unwrap();
    assert_eq!(config.node.role, holdline_model::NodeRole::Witness);
    assert!(load(&without).is_err(), "another node must have one");
    let error = load(&witness(VALID)).expect_err("the list says otherwise").to_string();
    assert!(
        error.contains("role is \"witness\" here but \"full\" in the list of members"),
        "{error}"
    );
    let odd =
        load(&VALID.replacen("{ id = 2,", "{ id = 2, role = \"judge\",", 1)).expect_err("no role");
    assert!(odd.to_string().contains("\"judge\" is no role; write \"full\" or \"witness\""));
}

/// The trunk of the valid file with these keys more.
fn with_policy(keys: &str) -> Result<Config, ConfigError> {
    load(&VALID.replacen(
        "address = \"127.0.0.1:5070\"",
        &format!("address = \"127.0.0.1:5070\"\n{keys}"),
        1,
    ))
}

#[test]
fn a_trunk_says_how_it_is_dealt_with() {
    let config = with_policy(
        "auth = [\"source\", \"digest\"]\n\
         peer = { username = \"carrier\", password = \"p\" }\n\
         credentials = { username = \"us\", ha1_md5 = \"000102030405060708090a0b0c0d0e0f\" }\n\
         redirect = \"follow\"\nalive = { interval_s = 90 }",
    );
    let policy = config.unwrap().trunks[0].policy.clone();
    assert!(policy.proof.by_source && policy.proof.by_digest.is_some());
    let secret = policy.credentials.unwrap().secret;
    let TrunkSecret::Ha1 { md5, sha256 } = secret else { panic!("it is an HA1") };
    assert_eq!((md5.unwrap()[15], sha256), (0x0f, None));
    assert_eq!(policy.redirect, Redirect::Follow);
    let alive = policy.alive.unwrap();
    assert_eq!((alive.interval, alive.failures.get()), (Duration::from_secs(90), 3));
}

#[test]
fn contradictions_in_how_a_trunk_is_dealt_with_are_named() {
    let digest = "auth = [\"digest\"]";
    for (keys, expected) in [
        (digest, "trunk.auth: auth asks for \"digest\", and there is no password; add peer = "),
        (
            "auth = []",
            "trunk.auth: auth asks for nothing: anybody could call; write [\"source\"], ",
        ),
        (
            "peer = { username = \"u\", password = \"p\" }",
            "trunk.peer: auth does not ask for \"digest\"; ",
        ),
        ("credentials = { username = \"u\" }", "trunk.credentials: "),
        ("credentials = { username = \"\\\"\", password = \"p\" }", "trunk.credentials.username: "),
        (
            "credentials = { username = \"u\", ha1_md5 = \"00\" }",
            "trunk.credentials.ha1_md5: not 32 hexadecimal digits; make it with: ",
        ),
        (
            "credentials = { username = \"u\", ha1_sha256 = \"0\", password = \"p\" }",
            "trunk.credentials: ",
        ),
        ("redirect = \"ask\"", "unknown variant `ask`"),
        ("alive = { interval_s = 1 }", "trunk.alive.interval_s: "),
        (
            "auth = [\"certificate\"]",
            "trunk.auth: auth asks for \"certificate\", and [sip.tls] asks no client for one; set clients",
        ),
    ] {
        let error = with_policy(keys).expect_err(keys).to_string();
        assert!(error.contains(expected), "{keys}: {error}");
    }
}
