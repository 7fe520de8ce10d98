//! Policy files: what is taken from them, and what is refused with which words.

use super::*;

const SOUND: &str = r#"
id = "gateway"
title = "What our gateway accepts"
min_version = "TLS1.2"
allowed_versions = ["TLS1.2", "TLS1.3"]
forbidden_versions = ["TLS1.0"]
cipher_rule = "only"
groups = ["x25519", "brainpoolP256r1"]
certificate_types = ["rsa"]
min_rsa_bits = 3072
scope = ["*.example.com"]

[[cipher_suite]]
name = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
hex = "0xC02F"
version = "TLS1.2"
level = "allowed"

[[root]]
common_name = "DigiCert Global Root G2"
sha1 = "df3c24f9bfd666761b268073fe06d1cc8d4f82a4"
"#;

fn fault(from: &str, to: &str) -> String {
    assert!(SOUND.contains(from), "{from}");
    parse("gateway.toml", &SOUND.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn a_policy_of_ones_own_needs_only_what_rules() {
    let policy = parse("gateway.toml", SOUND).unwrap();
    assert_eq!(&*policy.id, "gateway");
    assert_eq!(policy.groups.as_ref().unwrap().len(), 3, "both numbers of the brainpool curve");
    assert_eq!(policy.certificate_types.unwrap().len(), 1);
    assert_eq!((policy.min_rsa_bits, policy.min_ec_bits), (Some(3072), None));
    assert_eq!(policy.required_roots().len(), 1, "known by its thumbprint");
    assert_eq!(policy.superseded_by(), None);
    let least = "id = 'a'\ntitle = 'b'\nallowed_versions = ['TLS1.2']\ncipher_rule = 'none'\n";
    assert!(parse("least.toml", least).is_ok());
}

#[test]
fn an_error_shows_line_column_and_the_nearest_right_word() {
    assert_eq!(
        fault("\"only\"", "\"onyl\""),
        "gateway.toml:7:15: unknown rule `onyl`; did you mean `only`?\n  |\n\
         7 | cipher_rule = \"onyl\"\n  |               ^^^^^^"
    );
    let error = fault("allowed_versions = [\"TLS1.2\", ", "allowed_versions = [\"TLS12\", ");
    assert!(
        error.starts_with("gateway.toml:5:21: unknown version `TLS12`; did you mean `TLS1.2`?")
    );
    let error = fault("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_AES_128_GCM_SHA256");
    assert!(error.contains("did you mean `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`?"), "{error}");
    let error = fault("x25519", "X25519MLKEM786");
    assert!(error.contains(":8:11: unknown group `X25519MLKEM786`"), "{error}");
    assert!(error.contains("did you mean `X25519MLKEM768`?"), "{error}");
    assert!(fault("\"allowed\"", "\"alowed\"").contains("unknown level `alowed`; did you mean"));
    assert!(fault("[\"rsa\"]", "[\"rsaa\"]").contains("did you mean `rsa`?"));
}

#[test]
fn an_unknown_key_is_an_error_wherever_it_stands() {
    assert!(
        fault("min_rsa_bits", "min_rsa_bit")
            .contains("gateway.toml:10:1: unknown key `min_rsa_bit`; did you mean `min_rsa_bits`?")
    );
    assert!(fault("hex =", "hexx =").contains(":15:1: unknown key `hexx`; did you mean `hex`?"));
    let error = fault("common_name", "comon_name");
    assert!(error.contains(":20:1: unknown key `comon_name`; did you mean `common_name`?"));
    let error = fault("title", "titel");
    assert!(error.contains(":3:1: unknown key `titel`; did you mean `title`?"), "{error}");
    assert!(fault("common_name", "nick").contains(":19:1: `common_name` is missing here"));
}

#[test]
fn a_word_that_contradicts_another_one_is_an_error() {
    assert!(fault("[\"TLS1.0\"]", "[\"TLS1.2\"]").contains("TLS1.2 is allowed above"));
    assert!(fault("0xC02F", "0xC030").contains("is 0xc02f, not 0xC030"));
    assert!(
        fault("version = \"TLS1.2\"\nl", "version = \"TLS1.3\"\nl")
            .contains("is no suite of TLS1.3")
    );
    assert!(fault("level = \"allowed\"", "level = \"forbidden\"").contains("has no list"));
    assert!(fault("82a4\"", "82a\"").contains("40 hex digits are wanted, these are 39"));
    assert!(fault("allowed_versions", "#").contains(":1:1: `allowed_versions` is missing here"));
    let none = fault("[\"TLS1.2\", \"TLS1.3\"]", "[]");
    assert!(none.contains("a policy that allows no version lets nobody in"), "{none}");
    let twice = format!(
        "{SOUND}\n[[cipher_suite]]\nname = \"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\"\nlevel = \"allowed\""
    );
    assert!(parse("twice.toml", &twice).unwrap_err().to_string().contains("listed twice"));
}

#[test]
fn what_is_no_toml_says_where() {
    let error = parse("broken.toml", "id = \"a\"\ntitle = \n").unwrap_err().to_string();
    assert!(error.starts_with("broken.toml:2:"), "{error}");
    let error = parse("kind.toml", "id = 7").unwrap_err().to_string();
    assert!(error.contains("1:6: expected a text in quotes, found integer"), "{error}");
}

#[test]
fn levels_and_kinds_of_rules_are_read() {
    let text = |rule: &str, more: &str| {
        format!(
            "id='a'\ntitle='b'\nallowed_versions=['TLS1.2','TLS1.3']\ncipher_rule='{rule}'\n{more}"
        )
    };
    for (word, _) in Level::ALL {
        let suite = format!("[[cipher_suite]]\nname='TLS_RSA_WITH_NULL_SHA'\nlevel='{word}'");
        assert!(parse("a", &text("recommended", &suite)).is_ok(), "{word}");
    }
    let policy =
        parse("a", &text("forbid-by-kx", "forbidden_kx=['RSA']\nforbidden_weaknesses=['3DES']"));
    let rules = policy.unwrap().suites;
    let at = |code| rules.allow(ProtocolVersion::TLS1_2, CipherSuite::new(code));
    assert!(at(0xc013) && !at(0x002f) && !at(0xc012) && at(0xbeef) && !at(0x1301));
    assert!(parse("a", &text("none", "[[root]]\ncommon_name='x'\nsha1='00'")).is_err());
}
