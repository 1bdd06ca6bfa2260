//! What the API's answers look like in JSON. The CLI reads the same types.
//!
//! Times are RFC 3339 in UTC with milliseconds; durations are `…_ms`; absent values are `null`.

mod call;
mod cdr;
mod cdr_csv;
mod cdr_keeping;
mod certificate;
mod cluster;
mod limits;
mod listener;
mod members;
mod page;
mod pop;
mod protection;
mod slot;
pub mod time;
mod trunk;
mod user;

pub use call::{CallDetailView, CallEndView, CallView, DialogView, LegView, TargetView};
pub use cdr::CdrView;
pub use cdr_csv::CSV_HEADER;
pub use cdr_keeping::{CdrKeepingView, CdrSinkView, PurgedView};
pub use certificate::CertificateView;
pub(crate) use certificate::days_left;
pub use cluster::{ClusterHealthView, NodeView};
pub use limits::{
    CapsView, LimitCapView, LimitClassView, LimitCountView, LimitEachView, LimitValueView,
    LimitsView,
};
pub use listener::ListenerView;
pub use members::{ChangedView, MemberView, MembersView, ToleranceView};
pub use page::PageView;
pub use pop::{PopView, PopsView, RoundTripView};
pub use protection::{BanView, OverloadView, ProtectionView, TokenLeaseView, TopItemView, TopView};
pub use slot::{OwnerView, SlotView};
pub use trunk::{TrunkServerView, TrunkView};
pub use user::{BindingView, RegistrationView, UserView};
