//! Where a model came from, in its file.

use ringfence_model::artifact::{Artifact, Lineage};

use super::producer::with_producer;
use super::{artifact, hybrid, replace};

fn with_lineage(without: Artifact) -> Artifact {
    Artifact {
        lineage: Some(Lineage {
            data_digest: "9f".repeat(32),
            samples: 182_000,
            frauds: 911,
            code_version: "0.1.0, engine semantics 5".to_owned(),
        }),
        ..without
    }
}

#[test]
fn where_a_model_came_from_comes_back_and_older_files_say_nothing_of_it() {
    for without in [artifact(), hybrid(), with_producer()] {
        let with = with_lineage(without.clone());
        let file = with.encode().unwrap();
        assert_eq!(Artifact::decode(&file).unwrap().0, with);
        assert!(String::from_utf8_lossy(&file).contains(r#"format_version\":3"#));
        let old = without.encode().unwrap();
        assert!(!String::from_utf8_lossy(&old).contains("lineage"));
        assert_eq!(Artifact::decode(&old).unwrap().0.lineage, None);
        // An older version has no room for it.
        let older = replace(&file, r#"format_version\":3"#, r#"format_version\":2"#);
        let refused = Artifact::decode(&older).unwrap_err().to_string();
        assert!(refused.contains("version is 2, it must be 3"), "{refused}");
    }
}

#[test]
fn trees_read_what_they_split_on_and_a_network_reads_all() {
    let trees = artifact();
    let read: Vec<bool> = (0..3).map(|at| trees.reads(|it| it == at)).collect();
    let count = trees.trees.tree_count();
    let splits: Vec<u32> = (0..count)
        .flat_map(|at| trees.trees.tree(at).splits)
        .map(|split| split.feature)
        .collect();
    let split: Vec<bool> = (0..3).map(|at| splits.contains(&at)).collect();
    assert_eq!(read, split);
    assert!(!trees.reads(|_| false));
    assert!(hybrid().reads(|_| false));
}
