//! SIP text for the far ends and the checkers: written apart from `holdline-sip`, so that a fault of
//! its parser or builder is not shared by those who judge.
//!
//! It reads what the far ends here and the switch write: long header names, CRLF, no folds.

/// One message, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) start: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Text {
    /// Reads a datagram; `None` if it is not a message that could stand on a wire.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_owned();
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':')?;
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let this = Self { start, headers, body: body.to_owned() };
        let length: usize = this.get("Content-Length").parse().ok()?;
        (length == this.body.len() && this.cseq().0 > 0 && !this.branch().is_empty())
            .then_some(this)
    }

    /// The status of a response; `None` for a request.
    pub(crate) fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request, or of the request that a response answers.
    pub(crate) fn method(&self) -> &str {
        self.cseq().1
    }

    /// The Request-URI; empty for a response.
    pub(crate) fn uri(&self) -> &str {
        match self.status() {
            None => self.start.split(' ').nth(1).unwrap_or_default(),
            Some(_) => "",
        }
    }

    /// The first value of a header; empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or_default()
    }

    /// All fields of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.headers.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.as_str()).collect()
    }

    /// The tag of a From or To; empty if there is none.
    pub(crate) fn tag(&self, name: &str) -> &str {
        parameter(self.get(name), "tag")
    }

    /// The branch of the top Via.
    pub(crate) fn branch(&self) -> &str {
        parameter(self.get("Via"), "branch")
    }

    pub(crate) fn call_id(&self) -> &str {
        self.get("Call-ID")
    }

    pub(crate) fn cseq(&self) -> (u32, &str) {
        let Some((number, method)) = self.get("CSeq").split_once(' ') else { return (0, "") };
        (number.parse().unwrap_or(0), method.trim())
    }

    /// The URI of the first Contact.
    pub(crate) fn contact(&self) -> &str {
        uri_in(self.get("Contact"))
    }

    pub(crate) fn has_sdp(&self) -> bool {
        self.get("Content-Type") == "application/sdp" && !self.body.is_empty()
    }

    /// For people: start line, CSeq and branch.
    pub(crate) fn brief(&self) -> String {
        format!("{} | {} | {} | {}", self.start, self.get("CSeq"), self.branch(), self.call_id())
    }
}

/// The value of a header parameter; those within angle brackets are the URI's and do not count.
fn parameter<'a>(value: &'a str, name: &str) -> &'a str {
    let outside = value.rsplit_once('>').map_or(value, |(_, outside)| outside);
    let mut parameters = outside.split(';').skip(1).filter_map(|part| part.split_once('='));
    parameters.find(|(key, _)| key.trim() == name).map_or("", |(_, value)| value.trim())
}

/// The URI in a name-addr, or the value itself.
pub(crate) fn uri_in(value: &str) -> &str {
    let Some((_, rest)) = value.split_once('<') else { return value };
    rest.split_once('>').map_or(rest, |(uri, _)| uri)
}

/// The address that a URI with an IP address names.
pub(crate) fn address_in(uri: &str) -> Option<std::net::SocketAddr> {
    let rest = uri.strip_prefix("sip:")?;
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split(';').next()?;
    host.parse().ok().or_else(|| format!("{host}:5060").parse().ok())
}

/// Writes a message.
pub(crate) fn write(start: &str, headers: &[(&str, String)], sdp: Option<&str>) -> String {
    let mut text = format!("{start}\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if sdp.is_some() {
        text.push_str("Content-Type: application/sdp\r\n");
    }
    let body = sdp.unwrap_or_default();
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    text
}

/// Writes a response: what a request says about itself comes back (RFC 3261 section 8.2.6.2).
pub(crate) fn respond(
    request: &Text,
    status: u16,
    to_tag: &str,
    more: &[(&str, String)],
    sdp: Option<&str>,
) -> String {
    let mut headers: Vec<(&str, String)> =
        request.all("Via").iter().map(|via| ("Via", (*via).to_owned())).collect();
    let to = request.get("To");
    let to = if request.tag("To").is_empty() && status != 100 {
        format!("{to};tag={to_tag}")
    } else {
        to.to_owned()
    };
    headers.push(("From", request.get("From").to_owned()));
    headers.push(("To", to));
    headers.push(("Call-ID", request.call_id().to_owned()));
    headers.push(("CSeq", request.get("CSeq").to_owned()));
    headers.extend(more.iter().cloned());
    write(&format!("SIP/2.0 {status} Text"), &headers, sdp)
}
