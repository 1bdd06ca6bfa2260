//! What a `[[trunk]]` says of TLS: whom we expect, and with which certificate we come.

use std::path::PathBuf;

use holdline_sip::locate::Asked;
use holdline_transport::{ClientCertificates, TlsFiles};
use toml::Spanned;

use super::error::Fault;
use super::locate::Checker;

/// TLS with a trunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkTls {
    /// Whose certificate is expected; `None`: that of the trunk's name or address.
    pub name: Option<String>,
    /// The certificate that we show it; `None`: that of `[sip.tls]`.
    pub identity: Option<TlsFiles>,
}

/// Reads the keys; `ca` is whom `[sip.tls]` trusts.
pub(super) fn build(
    check: &mut Checker<'_>,
    name: Option<Spanned<String>>,
    certificate: Option<Spanned<PathBuf>>,
    key: Option<Spanned<PathBuf>>,
    ca: Option<PathBuf>,
) -> TrunkTls {
    if let Some(name) = &name
        && Asked::name(name.get_ref(), None).is_err()
    {
        let found = name.get_ref().clone();
        check.fault("trunk.tls_name", name.span(), Fault::NotAPeer { found });
    }
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(TlsFiles {
            certificate: check.resolve(certificate.get_ref()),
            key: check.resolve(key.get_ref()),
            ca,
            clients: ClientCertificates::Ignored,
        }),
        (None, None) => None,
        (Some(only), None) | (None, Some(only)) => {
            let fault = Fault::NeedsOther { first: "tls_certificate", second: "tls_key" };
            check.fault("trunk.tls_certificate", only.span(), fault);
            None
        }
    };
    TrunkTls { name: name.map(|name| name.into_inner().to_ascii_lowercase()), identity }
}
