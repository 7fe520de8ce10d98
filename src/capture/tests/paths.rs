//! Which files a path stands for.

use std::fs;
use std::path::{Path, PathBuf};

use super::small_pcap;
use crate::capture::Error;
use crate::capture::file::FileSource;
use crate::capture::paths::{Input, expand, file_id};

/// A directory with captures, other files, and directories in it.
fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let (pcap, _) = small_pcap();
    for path in ["b/z.pcap", "b/a.pcapng", "B.pcap", "b.pcap", "a/deep/er/x"] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &pcap).unwrap();
    }
    fs::create_dir(root.path().join("empty")).unwrap();
    fs::write(root.path().join("README"), "no capture").unwrap();
    fs::write(root.path().join("b/nothing"), "").unwrap();
    fs::write(root.path().join("b/archive.bz2"), "BZh91AY&SY").unwrap();
    root
}

fn names(root: &Path, inputs: &[Input]) -> Vec<String> {
    inputs
        .iter()
        .map(|input| {
            let name = input.name();
            name.strip_prefix(root).unwrap_or(name).to_string_lossy().into_owned()
        })
        .collect()
}

#[test]
fn a_directory_is_walked_in_byte_order_of_the_names() {
    let root = tree();
    let expansion = expand(&[root.path().to_owned(), PathBuf::from("-")]);
    assert!(expansion.errors.is_empty(), "{:?}", expansion.errors);
    assert_eq!(
        names(root.path(), &expansion.inputs),
        ["B.pcap", "a/deep/er/x", "b/a.pcapng", "b/z.pcap", "b.pcap", "-"]
    );
    assert_eq!(expansion.skipped, 3);
    assert_eq!(expansion.inputs[0].size(), Some(small_pcap().0.len() as u64));
    assert_eq!(expansion.inputs[5], Input::Stdin);
}

#[test]
fn a_named_file_is_taken_whatever_it_is() {
    let root = tree();
    let named =
        [root.path().join("README"), root.path().join("missing"), root.path().join("B.pcap")];
    let expansion = expand(&named);
    assert_eq!(names(root.path(), &expansion.inputs), ["README", "B.pcap"]);
    assert_eq!(expansion.skipped, 0);
    let [Error::Open { path, .. }] = &expansion.errors[..] else {
        panic!("{:?}", expansion.errors);
    };
    assert_eq!(path, &root.path().join("missing"));
    let limits = crate::limits::Limits::default();
    assert!(matches!(
        FileSource::open(expansion.inputs[0].name(), &limits),
        Err(Error::NotACapture { .. })
    ));
    let source = FileSource::open(expansion.inputs[1].name(), &limits).unwrap();
    assert_eq!(source.size(), expansion.inputs[1].size());
    assert_eq!(source.name(), expansion.inputs[1].name());
}

#[test]
fn a_directory_without_a_capture_is_named() {
    let root = tree();
    let empty = root.path().join("empty");
    let expansion = expand(&[empty.clone(), root.path().join("a")]);
    assert_eq!(expansion.inputs.len(), 1);
    let [error @ Error::NoCapture { .. }] = &expansion.errors[..] else {
        panic!("{:?}", expansion.errors);
    };
    assert_eq!(error.to_string(), format!("no capture in `{}`", empty.display()));
}

#[test]
fn a_capture_that_cannot_be_read_is_not_passed_over() {
    let root = tree();
    fs::write(root.path().join("a/solaris"), b"snoop\0\0\0\0\0\0\x02").unwrap();
    let expansion = expand(&[root.path().join("a")]);
    assert_eq!(expansion.inputs.len(), 1);
    assert!(matches!(expansion.errors[..], [Error::Unsupported { .. }]));
}

#[cfg(unix)]
#[test]
fn links_in_a_directory_are_not_followed_but_named_ones_are() {
    let root = tree();
    let link = root.path().join("a/link.pcap");
    std::os::unix::fs::symlink(root.path().join("B.pcap"), &link).unwrap();
    std::os::unix::fs::symlink(root.path(), root.path().join("a/loop")).unwrap();
    let expansion = expand(&[root.path().join("a"), link]);
    assert_eq!(names(root.path(), &expansion.inputs), ["a/deep/er/x", "a/link.pcap"]);
    assert_eq!(expansion.links, 2);
    let through = expand(&[root.path().join("a/loop/b")]);
    assert_eq!(names(root.path(), &through.inputs), ["a/loop/b/a.pcapng", "a/loop/b/z.pcap"]);
}

#[cfg(feature = "compression")]
#[test]
fn the_contents_of_compressed_files_decide() {
    use std::io::Write;

    let root = tree();
    let gzip = |name: &str, bytes: &[u8]| {
        let file = fs::File::create(root.path().join("empty").join(name)).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap();
    };
    gzip("capture", &small_pcap().0);
    gzip("text", b"a text of some length, but of no packets");
    gzip("nothing", b"");
    fs::write(root.path().join("empty/broken.gz"), [0x1f, 0x8b, 8, 0, 0, 0]).unwrap();
    let expansion = expand(&[root.path().join("empty")]);
    assert_eq!(names(root.path(), &expansion.inputs), ["empty/capture"]);
    assert_eq!(expansion.skipped, 2);
    assert!(matches!(expansion.errors[..], [Error::Truncated { .. }]), "{:?}", expansion.errors);
}

#[test]
fn a_file_is_known_by_its_size_and_its_ends() {
    let root = tree();
    let id = |bytes: &[u8]| {
        let path = root.path().join("id");
        fs::write(&path, bytes).unwrap();
        file_id(&path).unwrap()
    };
    // SHA-256 of eight zeros: an empty file.
    assert_eq!(
        id(b"").to_string(),
        "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc"
    );
    let mut bytes = vec![1; 300_000];
    let whole = id(&bytes);
    bytes[150_000] = 2;
    assert_eq!(id(&bytes), whole, "the middle is not looked at");
    for at in [0, 65_535, 300_000 - 65_536, 299_999] {
        let mut other = bytes.clone();
        other[at] = 3;
        assert_ne!(id(&other), whole);
    }
    bytes.push(1);
    assert_ne!(id(&bytes), whole);
    assert!(matches!(file_id(root.path()), Err(Error::Unsupported { .. })));
    assert!(matches!(file_id(&root.path().join("missing")), Err(Error::Open { .. })));
}
