//! The page as text: what it says, that nothing in it can act, that it is the same each time. How it
//! behaves in a browser is tested in `tests/browser.rs`.

use super::Peers;
use crate::report::Inventory;
use crate::report::sample::{alike, crowd, judge, office, snapshot};

fn page(inventory: &Inventory) -> String {
    let mut out = Vec::new();
    inventory.write_html(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The data for the script.
fn data(page: &str) -> serde_json::Value {
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn each_sentence_of_the_answer_begins_and_ends_as_one() {
    let page = page(&judge(&snapshot(&office()), &["dataverse"], &[]));
    let (_, then) = page.split_once("class=\"then\">").unwrap();
    let (then, _) = then.split_once("</p>").unwrap();
    // As the sentence before them ends.
    assert!(then.contains("The one server of ours breaks. None of "), "{then}");
}

#[test]
fn the_answer_stands_at_the_top() {
    let page = page(&judge(&snapshot(&office()), &["dataverse"], &[]));
    let (_, rest) = page.split_once("<h1").unwrap();
    let heading = rest.split_once('>').unwrap().1.split_once("</h1>").unwrap().0;
    assert_eq!(
        heading.replace('\u{a0}', " "),
        "2 of 8 client hosts break when dataverse is enforced."
    );
    assert!(page.contains("The one server of ours breaks"), "servers are missing");
    assert!(page.contains("offers at most TLS 1.0; dataverse needs TLS 1.2"));
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    let snapshot = snapshot(&office());
    let inventory = || judge(&snapshot, &["dataverse", "rfc9325"], &[]);
    assert_eq!(page(&inventory()), page(&inventory()));
}

#[test]
fn nothing_is_fetched_and_nothing_acts_but_what_is_in_the_file() {
    let page = page(&judge(&snapshot(&office()), &["dataverse"], &[]));
    for outside in
        ["src=", "@import", "url(http", "<base", "<form", "<iframe", " style=", " onclick="]
    {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<script>").count(), 1, "one script");
    assert_eq!(page.matches("<style>").count(), 1, "one style");
    let (_, policy) = page.split_once("Content-Security-Policy\" content=\"").unwrap();
    let policy = policy.split_once('"').unwrap().0;
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
}

#[test]
fn a_served_page_may_ask_the_program_and_nobody_else() {
    let inventory = judge(&snapshot(&office()), &["dataverse"], &[]);
    let mut served = Vec::new();
    inventory.write_served_html("7-1", &serde_json::json!({}), &mut served).unwrap();
    let served = String::from_utf8(served).unwrap();
    assert!(served.contains("; connect-src 'self'; img-src data:;"), "the policy of the page");
    assert!(served.contains("<html lang=\"en\" data-live=\"7-1\">"));
    let file = page(&inventory);
    for way in ["connect-src", "data-live=", "fetch("] {
        assert!(!file.contains(way), "a file asks nobody: {way}");
    }
}

#[test]
fn a_restart_is_told_of_only_where_one_is_needed() {
    let page = page(&judge(&snapshot(&office()), &["dataverse"], &[]));
    assert!(page.contains("<strong>Restart: </strong>"), "some fix needs one");
    assert!(!page.contains("<strong>Restart: </strong>none"), "a fix that needs none says so");
}

#[test]
fn hostile_names_are_text() {
    let mut records = office();
    for record in &mut records {
        if let Some(hello) = &mut record.client_hello {
            hello.server_name = Some("</script><img src=x onerror=alert(1)>\u{2028}".into());
        }
    }
    let mut inventory = judge(&snapshot(&records), &["dataverse"], &[]);
    for client in &mut inventory.clients {
        client.names = vec!["<b>\"'&\u{202e}".to_owned()];
        client.owner = Some("<svg onload=alert(2)>".to_owned());
    }
    let page = page(&inventory);
    for markup in ["<img", "<b>", "<svg onload", "onerror=alert(1)>", "\u{2028}", "\u{202e}"] {
        assert!(!page.contains(markup), "{markup:?}");
    }
    let text = &data(&page)["text"];
    let texts: Vec<&str> = text.as_array().unwrap().iter().filter_map(|one| one.as_str()).collect();
    assert!(texts.contains(&"</script><img src=x onerror=alert(1)>\\u{2028}"), "{texts:?}");
}

#[test]
fn what_many_hosts_share_stands_once() {
    let page = page(&judge(&snapshot(&crowd(200)), &["dataverse"], &[]));
    let data = data(&page);
    assert_eq!(data["clients"].as_array().unwrap().len(), 200);
    assert_eq!(
        (data["kinds"].as_array().unwrap().len(), data["offers"].as_array().unwrap().len()),
        (1, 1)
    );
    let texts = data["text"].as_array().unwrap();
    assert_eq!(texts.iter().filter(|text| *text == "crm.contoso.example").count(), 1);
}

#[test]
fn an_empty_census_has_a_page() {
    let mut inventory = judge(&snapshot(&[]), &["dataverse"], &["*.dynamics.com"]);
    inventory.coverage.packets.read = 0;
    inventory.coverage.packets.dropped = 0;
    let page = page(&inventory);
    assert!(page.contains("No TLS handshake was seen."), "the answer is missing");
    assert!(page.contains("No packet was read: this says nothing"), "how sure it is");
    assert!(page.contains("Nothing needs to be changed"), "fixes");
}

#[test]
fn a_stack_has_its_own_peers_where_another_has_its_ja4() {
    let inventory = judge(&snapshot(&alike()), &["dataverse"], &[]);
    let (peers, client) = (Peers::of(&inventory), &inventory.clients[0]);
    assert_eq!(client.stacks.len(), 2);
    for stack in &client.stacks {
        let edges = peers.of_stack(&inventory.edges, client, stack);
        let names: Vec<_> = edges.filter_map(|edge| edge.sni.clone()).collect();
        assert_eq!(names, stack.snis);
    }
}

#[test]
fn a_retry_is_one_where_the_offer_before_it_has_no_ja4() {
    let mut inventory = judge(&snapshot(&alike()), &["dataverse"], &[]);
    let stack = &mut inventory.clients[0].stacks[1];
    stack.fallback_of = Some("".into());
    let data = data(&page(&inventory));
    let texts = data["text"].as_array().unwrap();
    let kinds = data["kinds"].as_array().unwrap();
    let retry = |kind: &serde_json::Value| {
        texts[usize::try_from(kind[4].as_u64().unwrap()).unwrap()].as_str().unwrap().to_owned()
    };
    let mut retries: Vec<_> = kinds.iter().map(retry).collect();
    retries.sort_unstable();
    assert_eq!(retries, ["", "without a JA4"]);
    let style = crate::report::Style { width: 200, colour: false, verbose: false };
    let story = inventory.host(inventory.clients[0].ip, style).unwrap();
    assert!(story.contains("with less, after the offer without a JA4 failed"), "{story}");
}
