//! Which crates a crate reaches, from what `cargo metadata` says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The resolved crates of a workspace, without what only tests use.
pub struct Crates {
    reached: BTreeMap<String, BTreeSet<String>>,
}

impl Crates {
    /// Reads the answer of `cargo metadata --format-version 1`. None when it is not one with a
    /// resolution.
    pub fn read(metadata: &Value) -> Option<Crates> {
        let names: BTreeMap<&str, &str> = metadata["packages"]
            .as_array()?
            .iter()
            .filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)))
            .collect();
        let mut reached: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in metadata["resolve"]["nodes"].as_array()? {
            let name = names.get(node["id"].as_str()?)?;
            let uses = node["deps"]
                .as_array()?
                .iter()
                .filter(|dep| is_built_in(dep));
            let uses = uses.filter_map(|dep| names.get(dep["pkg"].as_str()?));
            let of_this = reached.entry((*name).to_owned()).or_default();
            of_this.extend(uses.map(|name| (*name).to_owned()));
        }
        Some(Crates { reached })
    }

    /// Whether the workspace has a crate of this name.
    pub fn has(&self, name: &str) -> bool {
        self.reached.contains_key(name)
    }

    /// What the crate names itself.
    pub fn uses(&self, name: &str) -> BTreeSet<String> {
        self.reached.get(name).cloned().unwrap_or_default()
    }

    /// Everything the crate reaches, over any number of steps.
    pub fn reaches(&self, name: &str) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut open = vec![name.to_owned()];
        while let Some(next) = open.pop() {
            let uses = self.uses(&next).into_iter();
            open.extend(uses.filter(|used| all.insert(used.clone())));
        }
        all
    }

    /// Of what the crate reaches, what it must not. A name that ends with `*` stands for all that
    /// begin so.
    pub fn forbidden<'a>(&self, name: &str, forbidden: &[&'a str]) -> Vec<String> {
        let is_forbidden = |reached: &String| {
            forbidden
                .iter()
                .any(|pattern: &&'a str| match pattern.strip_suffix('*') {
                    Some(beginning) => reached.starts_with(beginning),
                    None => reached == pattern,
                })
        };
        self.reaches(name)
            .into_iter()
            .filter(is_forbidden)
            .collect()
    }
}

/// Whether a dependency is one of the program and not only of its tests.
fn is_built_in(dep: &Value) -> bool {
    let kinds = dep["dep_kinds"].as_array();
    kinds.is_none_or(|kinds| kinds.iter().any(|kind| kind["kind"] != "dev"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn planted() -> Crates {
        let package = |name: &str| json!({ "id": format!("{name} 1"), "name": name });
        let dep = |name: &str, kind: Value| json!({ "pkg": format!("{name} 1"), "dep_kinds": [{ "kind": kind }] });
        let node =
            |name: &str, deps: Vec<Value>| json!({ "id": format!("{name} 1"), "deps": deps });
        let names = ["keys", "sha2", "runtime", "tokio", "dicom-core"];
        let metadata = json!({
            "packages": names.map(package),
            "resolve": { "nodes": [
                node("keys", vec![dep("sha2", Value::Null), dep("dicom-core", json!("dev"))]),
                node("sha2", vec![dep("runtime", json!("build"))]),
                node("runtime", vec![dep("tokio", Value::Null)]),
                node("tokio", vec![]),
                node("dicom-core", vec![]),
            ]},
        });
        Crates::read(&metadata).unwrap()
    }

    #[test]
    fn what_is_reached_over_two_steps_is_found() {
        assert_eq!(planted().forbidden("keys", &["tokio", "redb"]), ["tokio"]);
        assert_eq!(planted().forbidden("sha2", &["run*"]), ["runtime"]);
    }

    #[test]
    fn what_is_named_is_told_from_what_is_reached() {
        let uses = planted().uses("sha2");
        assert!(uses.contains("runtime") && !uses.contains("tokio"));
        assert!(planted().reaches("sha2").contains("tokio"));
    }

    #[test]
    fn what_only_tests_use_is_not_reached() {
        assert!(planted().forbidden("keys", &["dicom-*"]).is_empty());
        assert!(planted().has("dicom-core") && !planted().has("redb"));
    }

    #[test]
    fn an_answer_without_resolution_is_none() {
        assert!(Crates::read(&json!({ "packages": [], "resolve": null })).is_none());
    }
}
