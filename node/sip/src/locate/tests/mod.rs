//! What RFC 3263 and RFC 2782 say, on a zone written down here.

mod cached;
mod order;
mod walked;

use std::collections::BTreeMap;

use holdline_model::Transport;

use super::{Answer, Asked, Kind, Knowledge, Known, Means, Naptr, Question, Srv, Step, locate};

/// A zone in which everything that is not written down does not exist.
#[derive(Default)]
struct Zone {
    records: BTreeMap<Question, Known>,
    /// What has been asked for; the rest is not known yet.
    asked: Vec<Question>,
}

impl Knowledge for Zone {
    fn known(&self, question: &Question) -> Known {
        if !self.asked.contains(question) {
            return Known::Unknown;
        }
        self.records.get(question).cloned().unwrap_or(Known::Nothing)
    }
}

impl Zone {
    fn naptr(mut self, name: &str, records: &[(u16, u16, &str, &str)]) -> Self {
        let records = records.iter().map(|(order, preference, services, replacement)| Naptr {
            order: *order,
            preference: *preference,
            flags: "s".to_owned(),
            services: (*services).to_owned(),
            replacement: (*replacement).to_owned(),
        });
        let answer = Answer::Naptr(records.collect());
        self.records.insert(Question::new(Kind::Naptr, name), Known::Answer(answer));
        self
    }

    fn srv(mut self, name: &str, records: &[(u16, u16, u16, &str)]) -> Self {
        let records = records.iter().map(|(priority, weight, port, target)| Srv {
            priority: *priority,
            weight: *weight,
            port: *port,
            target: (*target).to_owned(),
        });
        let answer = Answer::Srv(records.collect());
        self.records.insert(Question::new(Kind::Srv, name), Known::Answer(answer));
        self
    }

    fn host(mut self, name: &str, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|ip| ip.parse().unwrap());
        let answer = Answer::Host(addresses.collect());
        self.records.insert(Question::new(Kind::Host, name), Known::Answer(answer));
        self
    }

    fn failing(mut self, kind: Kind, name: &str) -> Self {
        let failed = Known::Failed("nobody answered".to_owned());
        self.records.insert(Question::new(kind, name), failed);
        self
    }

    /// Goes all the way; the places in the order in which they are written down, or why not.
    fn walk(&mut self, asked: &Asked, means: &Means) -> Result<Vec<String>, String> {
        for _ in 0..8 {
            match locate(asked, means, self) {
                Step::Ask(questions) => {
                    assert!(!questions.is_empty());
                    for question in questions {
                        assert!(!self.asked.contains(&question), "{question} is asked twice");
                        self.asked.push(question);
                    }
                }
                Step::Done(Ok(location)) => {
                    let place = |place: super::Place| {
                        format!("{} {}", place.transport.param(), place.address)
                    };
                    return Ok(location.places().map(place).collect());
                }
                Step::Done(Err(error)) => return Err(error.to_string()),
            }
        }
        panic!("it goes round in circles: {:?}", self.asked);
    }

    fn find(&mut self, uri: &str) -> Result<Vec<String>, String> {
        let uri = crate::message::Uri::parse(uri).unwrap();
        self.walk(&Asked::of(&uri).unwrap(), &all())
    }

    fn questions(&self) -> Vec<String> {
        self.asked.iter().map(ToString::to_string).collect()
    }
}

fn all() -> Means {
    let transports = vec![Transport::Udp, Transport::Tcp, Transport::Tls];
    Means { transports, v4: true, v6: true }
}
