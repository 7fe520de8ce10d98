//! placeholder
/// report
#[derive(Clone, Debug, serde::Serialize)]
pub struct ChainReport {}
