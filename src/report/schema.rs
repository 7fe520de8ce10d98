//! The JSON Schema of the inventory report, published with the program.

/// The schema (draft 2020-12); `tlscensus report --schema` prints it.
pub const INVENTORY: &str = include_str!("inventory.schema.json");

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::Inventory;
    use crate::report::inventory::{PassedOver, SCHEMA};
    use crate::report::sample::{crowd, judge, judge_except, office, snapshot};

    /// As much of JSON Schema as the file uses; a keyword that is not known here is an error.
    fn check(root: &Value, schema: &Value, value: &Value, path: &str, wrong: &mut Vec<String>) {
        for (keyword, rule) in schema.as_object().unwrap() {
            let ok = match keyword.as_str() {
                "$schema" | "$defs" | "title" | "description" => true,
                "$ref" => {
                    let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                    check(root, &root["$defs"][name], value, path, wrong);
                    !root["$defs"][name].is_null()
                }
                "type" => match rule {
                    Value::String(one) => is(value, one),
                    Value::Array(any) => any.iter().any(|one| is(value, one.as_str().unwrap())),
                    _ => false,
                },
                "const" => rule == value,
                "enum" => rule.as_array().unwrap().contains(value),
                "anyOf" => rule.as_array().unwrap().iter().any(|one| {
                    let mut inner = Vec::new();
                    check(root, one, value, path, &mut inner);
                    inner.is_empty()
                }),
                "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
                // Patterns are for other programs; their anchors tell at least the first letters.
                "pattern" => {
                    let start = rule.as_str().unwrap().strip_prefix('^').unwrap();
                    let plain = start.strip_prefix("0x").map(|_| "0x").unwrap_or_default();
                    value.as_str().is_none_or(|text| text.starts_with(plain))
                }
                "required" => value.as_object().is_none_or(|object| {
                    rule.as_array()
                        .unwrap()
                        .iter()
                        .all(|key| object.contains_key(key.as_str().unwrap()))
                }),
                "properties" => {
                    for (key, value) in value.as_object().into_iter().flatten() {
                        if let Some(rule) = rule.get(key) {
                            check(root, rule, value, &format!("{path}/{key}"), wrong);
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    let known = &schema["properties"];
                    for (key, value) in value.as_object().into_iter().flatten() {
                        let path = format!("{path}/{key}");
                        match rule {
                            Value::Bool(false) if known.get(key).is_none() => {
                                wrong.push(format!("{path}: not in the schema"));
                            }
                            Value::Object(_) => check(root, rule, value, &path, wrong),
                            _ => {}
                        }
                    }
                    true
                }
                "items" => {
                    for (at, value) in value.as_array().into_iter().flatten().enumerate() {
                        check(root, rule, value, &format!("{path}/{at}"), wrong);
                    }
                    true
                }
                _ => false,
            };
            if !ok {
                wrong.push(format!("{path}: {keyword} {rule} does not hold of {value}"));
            }
        }
    }

    fn is(value: &Value, kind: &str) -> bool {
        match kind {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => false,
        }
    }

    fn faults(inventory: &Inventory) -> Vec<String> {
        let schema: Value = serde_json::from_str(INVENTORY).unwrap();
        let mut json = Vec::new();
        inventory.write_json(&mut json).unwrap();
        let report: Value = serde_json::from_slice(&json).unwrap();
        let mut wrong = Vec::new();
        check(&schema, &schema, &report, "", &mut wrong);
        wrong
    }

    #[test]
    fn reports_are_what_the_schema_says() {
        for records in [Vec::new(), office(), crowd(20)] {
            let inventory = judge(&snapshot(&records), &["dataverse", "pci-dss-4"], &[]);
            assert_eq!(faults(&inventory), [""; 0]);
        }
        let agreed = "[[exception]]\nowner = \"J\"\nreason = \"r\"\nexpires = 2099-01-01\n";
        let entries = format!("{agreed}network = \"0.0.0.0/0\"\n{agreed}host = \"none\"\n");
        let inventory = judge_except(&snapshot(&office()), &["dataverse"], &[], &entries);
        assert!(inventory.summary.policies.iter().all(|totals| totals.excepted.client_hosts > 0));
        assert_eq!(faults(&inventory), [""; 0]);
        let mut of_interface = snapshot(&office());
        of_interface.sources[0].kind = crate::census::SourceKind::Live;
        let mut inventory = judge(&of_interface, &["dataverse"], &[]);
        inventory.coverage.passed_over = Some(PassedOver { files: 2, links: 1 });
        assert_eq!(faults(&inventory), [""; 0]);
        assert!(INVENTORY.contains(SCHEMA));
    }

    #[test]
    fn what_the_schema_does_not_say_is_found() {
        let mut inventory = judge(&snapshot(&office()), &["dataverse"], &[]);
        inventory.schema = "something/2";
        assert_eq!(faults(&inventory).len(), 1);
    }
}
