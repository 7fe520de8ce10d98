//! A few certificates, and what a chain of them is worth to who trusts their root.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

use super::random::Random;

pub struct Pool {
    pub root: Vec<u8>,
    intermediate: Vec<u8>,
    stranger: Vec<u8>,
    leaf: Vec<u8>,
    direct: Vec<u8>,
    old: Vec<u8>,
    own: Vec<u8>,
    pub client: Vec<u8>,
}

fn params(name: &str, authority: bool, until: i32) -> CertificateParams {
    let mut params =
        CertificateParams::new(vec![format!("{}.example", name.to_lowercase())]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params
}

impl Pool {
    pub fn new() -> Self {
        let key = || KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(params("Root", true, 2049), key()).unwrap();
        let middle =
            CertifiedIssuer::signed_by(params("Middle", true, 2049), key(), &root).unwrap();
        let other = CertifiedIssuer::self_signed(params("Stranger", true, 2049), key()).unwrap();
        let under = |name: &str, until: i32, issuer: &CertifiedIssuer<'_, KeyPair>| {
            let made = params(name, false, until).signed_by(&key(), issuer).unwrap();
            made.der().to_vec()
        };
        Self {
            leaf: under("Leaf", 2049, &middle),
            direct: under("Direct", 2049, &root),
            old: under("Old", 2021, &middle),
            client: under("Client", 2049, &other),
            own: params("Own", false, 2049).self_signed(&key()).unwrap().der().to_vec(),
            root: root.der().to_vec(),
            intermediate: middle.der().to_vec(),
            stranger: other.der().to_vec(),
        }
    }

    /// A chain as a server sends it, and its status.
    pub fn chain(&self, random: &mut Random) -> (Vec<Vec<u8>>, &'static str) {
        let [leaf, middle, root, stranger] =
            [&self.leaf, &self.intermediate, &self.root, &self.stranger].map(Clone::clone);
        match random.below(8) {
            0 | 1 => (vec![leaf, middle], "private_root"),
            2 => (vec![leaf, middle, root], "private_root"),
            3 => (vec![leaf, stranger, middle], "private_root"),
            4 => (vec![self.direct.clone()], "private_root"),
            5 => (vec![self.old.clone(), middle], "expired"),
            6 => (vec![self.own.clone()], "self_signed"),
            _ => (vec![leaf], "unknown_root"),
        }
    }
}
