//! `holdline certificate list`: a node's certificates, and how long they are good.

use std::process::ExitCode;

use crate::admin::view::{CertificateView, PageView};
use crate::cli::args::{Format, Target};
use crate::cli::client::Client;
use crate::cli::output::Output;
use crate::cli::{CliError, human};

pub(in crate::cli) fn list(target: &Target, output: &mut Output) -> Result<ExitCode, CliError> {
    let answer = Client::new(target).get("/v1/certificates", &[])?;
    if target.output == Format::Json {
        output.line(&answer.body)?;
        return Ok(ExitCode::SUCCESS);
    }
    let page: PageView<CertificateView> = answer.read()?;
    let row = |certificate: &CertificateView| {
        let domains = certificate.sip_domains.iter().map(|domain| format!("sip:{domain}"));
        let names: Vec<String> = domains.chain(certificate.names.iter().cloned()).collect();
        vec![
            certificate.trunk.clone().unwrap_or_else(|| "all".to_owned()),
            certificate.subject.clone(),
            certificate.issuer.clone(),
            names.join(" "),
            human::time(&certificate.not_after),
            certificate.days_left.to_string(),
        ]
    };
    let header = ["FOR", "SUBJECT", "ISSUER", "NAMES", "NOT AFTER", "DAYS LEFT"];
    output.table(&header, &[5], page.items.iter().map(row).collect())?;
    Ok(ExitCode::SUCCESS)
}
