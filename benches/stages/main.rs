//! The whole pipeline over the captures of the project: files in, records and a census out.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench may fail")]

#[path = "../tests/common/mod.rs"]
mod common;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn pipeline(criterion: &mut Criterion) {
    let captures = [common::project("captures")];
    let bytes: u64 =
        common::captures().iter().map(|path| std::fs::metadata(path).unwrap().len()).sum();
    let settings = common::settings(1, &["dataverse"]);
    let mut group = criterion.benchmark_group("pipeline");
    group.throughput(Throughput::Bytes(bytes)).sample_size(20);
    group.bench_function("captures", |bencher| {
        bencher.iter(|| common::read(&captures, &settings));
    });
    group.finish();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
