//! Findings, software and remedies of a stack or a server.

use crate::policy::ServerOutcome;
use crate::record::Case;
use crate::tls::hello::Offer;

use super::judge::{Facts, StackJudged};
use super::{Finding, Remedy, Software};

/// Which end a line is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

pub(super) fn of_stack(
    _facts: &Facts<'_>,
    _offer: Option<&Offer>,
    _cases: &[Case<'_>],
    _judged: &StackJudged,
) -> Vec<Finding> {
    Vec::new()
}

pub(super) fn of_server(
    _facts: &Facts<'_>,
    _cases: &[Case<'_>],
    _judged: &[ServerOutcome],
) -> Vec<Finding> {
    Vec::new()
}

pub(super) fn software(_offer: &Offer) -> Vec<Software> {
    Vec::new()
}

pub(super) fn remedies(
    _facts: &Facts<'_>,
    _side: Side,
    _offer: Option<&Offer>,
    _findings: &[Finding],
) -> Vec<Remedy> {
    Vec::new()
}
