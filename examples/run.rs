use std::sync::Arc;
fn main() {
    let paths: Vec<std::path::PathBuf> = std::env::args_os().skip(2).map(Into::into).collect();
    let limits = tlscensus::limits::Limits::default();
    let ex = tlscensus::capture::paths::expand(&paths);
    let spec: tlscensus::x509::TrustSpec = "mozilla".parse().unwrap();
    let trust = tlscensus::x509::TrustStores::load(&[spec], &[]).unwrap();
    let threads = std::env::args().nth(1).unwrap().parse().unwrap();
    let settings = tlscensus::pipeline::Settings { limits: limits.clone(), threads, sensor: "s".into(), policies: vec![tlscensus::policy::Policy::resolve("dataverse").unwrap()], trust: Arc::new(trust), since: None, until: None };
    let census = tlscensus::census::Census::new(&limits);
    let mut sink = tlscensus::sink::FlowSink::Stdout(Default::default());
    let p = Arc::new(tlscensus::pipeline::Progress::default());
    let f = tlscensus::pipeline::read(&ex.inputs, &settings, &census, Some(&mut sink), &p);
    for s in &f.sources { if let Some(e) = &s.error { eprintln!("{e}"); } }
    eprintln!("{} faults {} conns", f.faults, p.connections());
}
