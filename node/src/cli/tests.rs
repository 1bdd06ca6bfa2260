//! Whole commands against a served cluster of maps: what is printed, and the exit code.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use holdline_model::NodeId;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::admin::fake::Fake;
use crate::admin::{AdminLimits, AdminOptions, AdminServer};
use crate::config::AdminToken;
use crate::node_runner::NodeContext;

/// A served cluster; ends with the test's runtime.
struct Served {
    url: String,
    _runtime: tokio::runtime::Runtime,
}

fn serve(fake: Fake, token: Option<&str>) -> Served {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let options = AdminOptions {
        api: fake.shared(),
        metrics: PrometheusBuilder::new().build_recorder().handle(),
        token: token.map(|token| AdminToken::try_from(token).unwrap()),
        limits: AdminLimits::default(),
    };
    let listen: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let tasks = TaskTracker::new();
    let started = AdminServer::start(listen, options, &tasks, CancellationToken::new());
    let address = runtime.block_on(started).unwrap().address();
    Served { url: format!("http://{address}"), _runtime: runtime }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

struct NoNode;

#[async_trait::async_trait]
impl NodeRunner for NoNode {
    async fn run(
        &self,
        _context: NodeContext,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        panic!("no test runs a node")
    }
}

/// What was printed, and how it ended.
struct Ran {
    out: String,
    result: Result<ExitCode, CliError>,
}

impl Ran {
    fn error(self) -> (u8, String) {
        let error = self.result.expect_err(&self.out);
        (error.exit_code(), error.to_string())
    }
}

fn holdline(arguments: &[&str]) -> Ran {
    let args = Args::try_parse_from([&["holdline"], arguments].concat()).unwrap();
    let (out, err) = (Buffer::default(), Buffer::default());
    let mut output = Output::plain(Box::new(out.clone()), Box::new(err));
    let result = run(args, &NoNode, &mut output);
    let out = out.text();
    let narrow = out.lines().all(|line| line.chars().count() <= 80);
    let is_table = !arguments.contains(&"json") && !arguments.contains(&"show");
    assert!(narrow || !is_table, "wider than 80 columns:\n{out}");
    assert!(!out.contains('\u{1b}'), "colours without a terminal: {out:?}");
    Ran { out, result }
}

fn shown(served: &Served, arguments: &[&str]) -> String {
    let ran = holdline(&[arguments, &["--url", &served.url]].concat());
    ran.result.unwrap();
    ran.out
}

#[test]
fn status_shows_verdict_and_nodes() {
    let text = shown(&serve(Fake::populated(), None), &["status"]);
    assert_eq!(
        text,
        "\
cluster test is green
leader 1, term 3, 5 calls, 1 more node may fail

NODE  POP  STATE   SLOTS  HOME  CALLS  LAG  VERSION  SIP
   1  fra  leader      2     2      2    0  0.1.0    127.0.0.11:5060
   2  fra  up          2     2      2    0  0.1.0    127.0.0.12:5060
   3  fra  up          2     2      1    0  0.1.0    127.0.0.13:5060
"
    );
}

#[test]
fn listeners_and_certificates_are_listed() {
    let served = serve(Fake::populated(), None);
    assert_eq!(
        shown(&served, &["listener", "list"]),
        "\
ADDRESS         TRANSPORT  HOME  HOLDER  OPEN HERE  CONNECTIONS
127.0.0.1:5060  udp           1       1  yes                  -
127.0.0.1:5060  tcp           1       1  yes                 12
127.0.0.1:5060  udp           2       3  no                   -
"
    );
    let text = shown(&served, &["certificate", "list"]);
    for part in
        ["all  CN=sip.example.com  CN=Example CA  sip:example.com ", "2027-03-03 ", " 100\n"]
    {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn status_is_red_with_reasons_and_its_own_exit_code() {
    let served = serve(Fake { dead: [NodeId(3)].into(), ..Fake::populated() }, None);
    let ran = holdline(&["status", "--url", &served.url]);
    assert_eq!(ran.result.unwrap(), ExitCode::from(RED));
    assert!(ran.out.starts_with("cluster test is red\n"), "{}", ran.out);
    let reason = "  red: 2 slots are owned by nodes that are down; their calls wait\n";
    assert!(ran.out.contains(reason), "{}", ran.out);
    assert!(ran.out.contains("   3  fra  down "), "{}", ran.out);
}

#[test]
fn calls_are_listed_and_the_next_page_is_named() {
    let served = serve(Fake::populated(), None);
    let text = shown(&served, &["call", "list", "--limit", "2"]);
    assert_eq!(
        text,
        "\
ID                    PHASE      NODE  FROM   TO     TRUNKS            STARTED
000000c0ffee00000000  inviting      1  alice  49690  office>carrier-a  00:00:00
000100c0ffee00000001  confirmed     2  alice  49691  office>carrier-b  00:00:01
more: --cursor 000100c0ffee00000001
"
    );
    let rest = ["call", "list", "--state", "any", "--cursor", "000100c0ffee00000001"];
    assert_eq!(shown(&served, &rest).lines().count(), 1 + 4);
}

#[test]
fn a_call_is_shown_with_legs_owners_and_deadline() {
    let text = shown(&serve(Fake::populated(), None), &["call", "show", "000100c0ffee00000001"]);
    assert_eq!(
        text,
        "\
call       000100c0ffee00000001
phase      confirmed, step 3
tenant     default
from       sip:alice@office.example
to         sip:49691@127.0.0.11
started    2026-11-23 00:00:01
answered   2026-11-23 00:00:03
caller     office at 127.0.0.1:6060, Call-ID call-1@office
callee     carrier-b at 127.0.0.1:5071, Call-ID hl000100c0ffee00000001c
owner      node 2 since 00:00:00 (formed)
owner      node 3 since 00:01:00 (failure)
owner      node 2 since 00:01:30 (hand_back)
deadline   2026-11-23 01:00:03
"
    );
}

#[test]
fn calls_are_hung_up() {
    let served = serve(Fake::populated(), None);
    let text = shown(&served, &["call", "hangup", "000100c0ffee00000001"]);
    assert_eq!(text, "call 000100c0ffee00000001 is being hung up on both sides\n");
    let text = shown(&served, &["call", "hangup", "000500c0ffee00000005"]);
    assert_eq!(text, "call 000500c0ffee00000005 was over already\n");
}

#[test]
fn cdrs_are_listed() {
    let text = shown(&serve(Fake::populated(), None), &["cdr", "list"]);
    assert_eq!(
        text,
        "\
ID      ENDED     TENANT   FROM   TO     DISPOSITION  DURATION  OWNERS
4700.0  00:01:00  default  alice  49690  ANSWERED        57.5s  2>3>2
4701.0  00:02:00  default  alice  49691  BUSY              0ms  2>3>2
4702.0  00:03:00  acme     alice  49692  ANSWERED        57.5s  2>3>2
"
    );
}

#[test]
fn nodes_are_drained() {
    let served = serve(Fake::populated(), None);
    let text = shown(&served, &["node", "drain", "2"]);
    assert_eq!(
        text,
        "node 2 is being drained: 2 slots with 2 calls move; watch: holdline status\n"
    );
    assert!(shown(&served, &["status"]).contains("   2  fra  draining "));
    let text = shown(&served, &["node", "undrain", "2"]);
    assert_eq!(text, "node 2 may own slots again: its 2 home slots come back to it\n");
}

#[test]
fn json_is_the_api_s_own() {
    let served = serve(Fake::populated(), None);
    for (arguments, path) in [
        (vec!["status"], "/v1/cluster/health"),
        (vec!["call", "list", "--tenant", "acme"], "/v1/calls?tenant=acme"),
        (vec!["call", "show", "000100c0ffee00000001"], "/v1/calls/000100c0ffee00000001"),
        (vec!["cdr", "list", "--limit", "1"], "/v1/cdrs?limit=1"),
    ] {
        let text = shown(&served, &[arguments, vec!["-o", "json"]].concat());
        let api = ureq::get(format!("{}{path}", served.url)).call().unwrap();
        assert_eq!(text.trim_end(), api.into_body().read_to_string().unwrap(), "{path}");
    }
}

#[test]
fn failures_name_cause_and_next_step_and_have_their_exit_codes() {
    let served = serve(Fake::populated(), None);
    let url = ["--url", &served.url];
    let (code, text) =
        holdline(&[&["call", "show", "0001000000000000dead"][..], &url].concat()).error();
    assert_eq!(code, NOT_FOUND);
    assert_eq!(
        text,
        "Not found: there is no call 0001000000000000dead; it may have ended more than 32 s ago: \
         look for it in GET /v1/cdrs"
    );
    let (code, text) = holdline(&[&["call", "list", "--limit", "0"][..], &url].concat()).error();
    assert_eq!(
        (code, text.as_str()),
        (
            FAILED,
            "Malformed request: limit 0 is out of range; ask for 1 to 1000, and go on with cursor"
        )
    );
    let (code, text) = holdline(&["status", "--url", "http://127.0.0.1:9"]).error();
    assert_eq!(code, UNREACHABLE);
    assert!(text.starts_with("no node can be reached: http://127.0.0.1:9: "), "{text}");
    assert!(text.ends_with("(--url or HOLDLINE_URL)?"), "{text}");
    let (code, text) = holdline(&["config", "check", "/nonexistent/node.toml"]).error();
    assert_eq!(code, USAGE);
    assert!(text.contains("cannot be read"), "{text}");
}

#[test]
fn a_node_that_is_down_is_passed_over() {
    let served = serve(Fake::populated(), None);
    let urls = format!("http://127.0.0.1:9,{}", served.url);
    assert!(holdline(&["status", "--url", &urls]).out.starts_with("cluster test is green"));
}

#[test]
fn cdrs_are_exported_from_the_nodes_that_answer() {
    let served = serve(Fake::populated(), None);
    let urls = format!("http://127.0.0.1:1,{}", served.url);
    let export = |arguments: &[&str]| {
        let ran = holdline(&[&["cdr", "export", "--url", &urls], arguments].concat());
        ran.result.unwrap();
        ran.out
    };
    let ids = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(',').next().unwrap().to_owned()).collect()
    };
    let lines = export(&["-o", "json"]);
    assert_eq!(lines.lines().count(), 3);
    assert!(lines.starts_with("{\"id\":\"4700.0\","), "{lines}");
    let csv = ["--format", "csv", "-o", "json"];
    assert_eq!(ids(&export(&csv)), ["id", "4700.0", "4701.0", "4702.0"]);
    assert_eq!(ids(&export(&[&csv[..], &["--after", "4700.0"]].concat())), ["4701.0", "4702.0"]);
    assert_eq!(ids(&export(&[&csv[..], &["--account", "acme"]].concat())), ["id", "4702.0"]);
    let wrong = ["cdr", "export", "--after", "x", "--url", &served.url];
    let (code, text) = holdline(&wrong).error();
    assert_eq!(code, FAILED);
    assert!(text.contains("after \"x\""), "{text}");
}

#[test]
fn what_one_node_knows_is_shown_when_there_is_no_majority() {
    let served = serve(Fake { no_majority: true, ..Fake::populated() }, None);
    let (code, text) = holdline(&["call", "list", "--url", &served.url]).error();
    assert_eq!(code, FAILED);
    assert!(text.contains("consistency=stale"), "{text}");
    assert!(shown(&served, &["call", "list", "--stale"]).contains("000100c0ffee00000001"));
    assert!(shown(&served, &["status", "--stale"]).contains("red"));
}

#[test]
fn retention_purges_and_sinks_are_told_in_words() {
    let served = serve(Fake::populated(), None);
    let text = shown(&served, &["cdr", "retention", "show"]);
    assert!(text.starts_with("kept       for 90 d after the call's end\n"), "{text}");
    assert!(text.contains("held by    billing\n"), "{text}");
    let text = shown(&served, &["cdr", "retention", "set", "36h", "--version", "0"]);
    assert!(text.starts_with("kept       for 36 h after"), "{text}");
    let purge = ["cdr", "purge", "--before", "2026-11-24T00:00:00Z", "--force"];
    assert_eq!(shown(&served, &purge), "3 call detail records are purged\n");
    let text = shown(&served, &["cdr", "sink", "commit", "audit", "4701.0"]);
    assert!(text.starts_with("sink audit has come to 4701.0, as of 2026-"), "{text}");
    let export = ["cdr", "export", "--sink", "billing", "--format", "csv", "-o", "json"];
    assert_eq!(shown(&served, &export).lines().count(), 2, "after 4700.0");
    assert!(shown(&served, &["cdr", "sink", "show", "billing"]).contains("come to 4702.0"));
    shown(&served, &["cdr", "sink", "remove", "billing"]);
    let (code, _) = holdline(&["cdr", "sink", "show", "billing", "--url", &served.url]).error();
    assert_eq!(code, NOT_FOUND);
    for wrong in ["90", "30s", "0m", "d", "soon"] {
        let arguments = ["holdline", "cdr", "retention", "set", wrong];
        assert!(Args::try_parse_from(arguments).is_err(), "{wrong}");
    }
}

#[test]
fn the_token_is_sent() {
    let served = serve(Fake::populated(), Some("0123456789abcdef"));
    let (code, text) = holdline(&["status", "--url", &served.url]).error();
    assert_eq!(code, FAILED);
    assert!(text.starts_with("Token needed: "), "{text}");
    let status = ["status", "--url", &served.url, "--token", "0123456789abcdef"];
    assert!(holdline(&status).out.starts_with("cluster test is green"));
}

#[test]
fn node_both_runs_and_drains() {
    use clap::CommandFactory;
    Args::command().debug_assert();
    let parse = |arguments: &[&str]| {
        Args::try_parse_from([&["holdline", "node"], arguments].concat()).map(|args| args.command)
    };
    let Command::Node(node) = parse(&["--config", "n.toml"]).unwrap() else { panic!() };
    assert_eq!(node.config.as_deref(), Some(std::path::Path::new("n.toml")));
    let Command::Node(node) = parse(&["drain", "2"]).unwrap() else { panic!() };
    assert!(matches!(node.command, Some(NodeCommand::Drain { id: 2 })));
    assert!(parse(&[]).is_err(), "a configuration is needed");
}

#[test]
fn a_configuration_is_checked_and_the_example_is_printed() {
    let example = holdline(&["config", "example", "-o", "json"]).out;
    assert_eq!(example.trim_end(), crate::config::EXAMPLE.trim_end());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("node.toml");
    let key = "key = \"0000000000000000000000000000000000000000000000000000000000000000\"";
    let text = example.replace("key_file = \"/etc/holdline/cluster.key\"", key);
    std::fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap();
    let ran = holdline(&["config", "check", path, "-o", "json"]);
    let expected =
        format!("{path}: good: node 1 of 3 in cluster \"example\", 3 trunks, 2 routes\n");
    assert_eq!(ran.out, expected);
}

#[test]
fn trunks_are_listed_shown_disabled_and_enabled() {
    let served = serve(Fake::populated(), None);
    assert_eq!(
        shown(&served, &["trunk", "list"]),
        "\
NAME       ADDRESS         STATE  STANDING    PROBER  LATENCY  CALLS
carrier-a  127.0.0.1:5070  open   active           2    23 ms      4
carrier-b  127.0.0.1:5071  shut   greylisted       2        -      0
"
    );
    assert_eq!(
        shown(&served, &["trunk", "show", "carrier-b"]),
        "\
trunk      carrier-b
address    127.0.0.1:5071
tenant     default
state      shut, on trial from 2026-11-23 00:00:10
probes     greylisted, asked by node 2
latency    -
calls      0
"
    );
    let disabled = shown(&served, &["trunk", "disable", "carrier-a"]);
    assert_eq!(disabled, "no call is sent to trunk carrier-a from now on; its 4 calls stay up\n");
    let enabled = shown(&served, &["trunk", "enable", "carrier-a"]);
    assert_eq!(enabled, "calls are sent to trunk carrier-a again\n");
    let (code, error) = holdline(&["trunk", "show", "nobody", "--url", &served.url]).error();
    assert_eq!(code, NOT_FOUND, "{error}");
}

#[test]
fn caps_are_set_listed_and_removed() {
    let served = serve(Fake::populated(), None);
    let set = ["call", "cap", "set", "lines", "480", "--by", "trunk_out", "--tenant", "acme"];
    assert_eq!(shown(&served, &set), "the cap lines is 480 calls, as of version 1\n");
    assert_eq!(
        shown(&served, &["call", "cap", "list"]),
        "\
version 1, 0 calls up
CAP    BY         CALLS  MOST UP  OF
lines  trunk_out    480        0  -
"
    );
    assert_eq!(shown(&served, &["call", "cap", "remove", "lines"]), "the cap lines is gone\n");
    let (code, error) = holdline(&["call", "cap", "remove", "lines", "--url", &served.url]).error();
    assert_eq!(code, NOT_FOUND, "{error}");
    let wrong = ["call", "cap", "set", "lines", "1", "--by", "weather", "--url", &served.url];
    let (code, error) = holdline(&wrong).error();
    assert!(code == FAILED && error.contains("weather"), "{error}");
}

#[test]
fn leased_tokens_are_shown() {
    let text = shown(&serve(Fake::populated(), None), &["protection"]);
    let end = "\
  tokens leased since the start, for what rides on no admission:
CLASS   LEASED  SPENT  RETURNED  MISSED  HELD
phones      20     11         3       1     6
";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn limits_are_tried_offline() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let limits =
        write("limits.toml", "[[class]]\nname = \"all\"\nassured = \"10/s\"\nburst = 10\n");
    let line = "tenant=acme rate=20/s for=30s, tenant=trial rate=40/s from=30s for=30s";
    let text = holdline(&["limit", "simulate", &limits, "--pattern", line]).out;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("1800 requests in 1m00s: 6"), "{text}");
    assert_eq!(lines[2], "CLASS  OFFERED  ADMITTED  REFUSED  DELAYED  LONGEST  MARKED");
    assert!(lines[3].starts_with("all       1800       6"), "{text}");
    let chart: Vec<&&str> = lines.iter().filter(|line| line.contains('\u{2502}')).collect();
    assert_eq!(chart.len(), 8);
    assert!(chart[0].starts_with("       40 \u{2502}"), "{text}");
    let cells = |line: &str, what: char| line.chars().filter(|c| *c == what).count();
    assert_eq!(cells(chart[0], '\u{2591}'), 30, "the later half asks for more than there is");
    assert_eq!(cells(chart[7], '\u{2588}'), 60, "something is admitted all the time");
    assert!(text.contains("the first to be refused: invite after "), "{text}");
    assert!(text.contains("  of tenant acme\n  503 by all, short of tokens"), "{text}");
    let last = lines.last().unwrap();
    assert!(last.starts_with("acme    -          600"), "{text}");
    let file = write(
        "pattern.toml",
        "[[flow]]\ntenant = \"acme\"\nrate = \"20/s\"\nfor = \"30s\"\n\
         [[flow]]\ntenant = \"trial\"\nrate = \"40/s\"\nfrom = \"30s\"\nfor = \"30s\"\n",
    );
    assert_eq!(holdline(&["limit", "simulate", &limits, "--pattern-file", &file]).out, text);
    let calm = holdline(&["limit", "simulate", &limits, "--pattern", "rate=5/s for=1min"]).out;
    assert!(calm.ends_with("nobody would have been refused\n"), "{calm}");
}

#[test]
fn limits_are_tried_on_exported_records() {
    let served = serve(Fake::populated(), None);
    let dir = tempfile::tempdir().unwrap();
    let limits = dir.path().join("limits.json");
    let text = r#"{"each": [{"name": "per-source", "by": "source", "rate": "1/h", "burst": 1}]}"#;
    std::fs::write(&limits, text).unwrap();
    let limits = limits.to_str().unwrap();
    for format in ["csv", "jsonl"] {
        let file = dir.path().join(format);
        let records = shown(&served, &["cdr", "export", "--format", format, "-o", "json"]);
        std::fs::write(&file, records).unwrap();
        let file = file.to_str().unwrap();
        let text = holdline(&["limit", "simulate", limits, "--cdrs", file]).out;
        assert!(text.starts_with("3 requests in 2m00s: 1 admitted, 2 refused (66.6%)\n"), "{text}");
        assert!(text.contains("note: the first call began at 2026-11-23 00:00:00"), "{text}");
        assert!(text.contains("note: \"per-source\" looks at source or pop"), "{text}");
        let json = holdline(&["limit", "simulate", limits, "--cdrs", file, "-o", "json"]).out;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&json["refused"], &json["first_refused"]["tenant"]),
            (&2.into(), &"default".into())
        );
    }
}

#[test]
fn faults_of_a_simulation_are_named() {
    use clap::CommandFactory;
    Args::command().debug_assert();
    let dir = tempfile::tempdir().unwrap();
    let limits = dir.path().join("limits.toml");
    std::fs::write(&limits, "[[class]]\nname = \"all\"\nassured = \"10/s\"\nburst = 10\n").unwrap();
    let limits = limits.to_str().unwrap();
    let parse = |arguments: &[&str]| {
        Args::try_parse_from([&["holdline", "limit", "simulate", limits], arguments].concat())
    };
    assert!(parse(&[]).is_err(), "something to try them on is needed");
    assert!(parse(&["--pattern", "x", "--cdrs", "y"]).is_err(), "and not two");
    for (arguments, part) in [
        (["--pattern", "rate=1/s"], "--pattern: flow 1: missing field `for`"),
        (["--cdrs", "/nonexistent"], "/nonexistent: "),
        (["--pattern-file", limits], "unknown field `class`"),
    ] {
        let (code, error) =
            holdline(&[&["limit", "simulate", limits], &arguments[..]].concat()).error();
        assert!(code == USAGE && error.contains(part), "{arguments:?}: {error}");
    }
}
