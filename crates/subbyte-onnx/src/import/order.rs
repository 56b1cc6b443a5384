//! Topological order, and who reads what.

use std::collections::{HashMap, HashSet};

use super::call::node_name;
use crate::schema::GraphProto;

/// Most names that a message lists.
const LISTED: usize = 5;

/// Indices of the nodes, each behind those whose results it reads; `known` are the names that need no node.
pub fn sort<'a>(
    graph: &'a GraphProto,
    known: impl Iterator<Item = &'a str>,
) -> Result<Vec<usize>, String> {
    let mut known: HashSet<&str> = known.collect();
    let mut makers = HashMap::new();
    for (i, node) in graph.node.iter().enumerate() {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            if known.contains(name.as_str()) || makers.insert(name.as_str(), i).is_some() {
                return Err(format!(
                    "makes the tensor `{name}` twice, last in node `{}`: export it again",
                    node_name(node)
                ));
            }
        }
    }
    let mut dangling = Vec::new();
    let mut waiting = vec![0usize; graph.node.len()];
    let mut readers: HashMap<usize, Vec<usize>> = HashMap::new();
    for (i, node) in graph.node.iter().enumerate() {
        for name in node.input.iter().filter(|name| !name.is_empty()) {
            match makers.get(name.as_str()) {
                Some(&maker) => {
                    waiting[i] += 1;
                    readers.entry(maker).or_default().push(i);
                }
                None if known.contains(name.as_str()) => {}
                None => {
                    dangling.push(format!("`{name}` of node `{}`", node_name(node)));
                    known.insert(name);
                }
            }
        }
    }
    if !dangling.is_empty() {
        return Err(format!(
            "reads tensors that nothing makes: {}. Initializers are missing or the file is cut up; export it again",
            listed(&dangling)
        ));
    }
    // Lowest index first, so that a sorted file keeps its order.
    let ready = (0..waiting.len()).filter(|&i| waiting[i] == 0);
    let mut ready: std::collections::BTreeSet<usize> = ready.collect();
    let mut sorted = Vec::with_capacity(graph.node.len());
    while let Some(i) = ready.pop_first() {
        sorted.push(i);
        for &reader in readers.get(&i).into_iter().flatten() {
            waiting[reader] -= 1;
            if waiting[reader] == 0 {
                ready.insert(reader);
            }
        }
    }
    if sorted.len() == graph.node.len() {
        return Ok(sorted);
    }
    let circle = graph.node.iter().zip(waiting).filter(|(_, n)| *n > 0);
    let circle: Vec<String> = circle
        .map(|(node, _)| format!("`{}`", node_name(node)))
        .collect();
    Err(format!(
        "has nodes that wait for each other: {}. Networks with feedback cannot be taken over",
        listed(&circle)
    ))
}

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(LISTED);
    let first = names[..names.len() - more].join(", ");
    match more {
        0 => first,
        _ => format!("{first} and {more} more"),
    }
}

/// How many nodes read each tensor; leaving the network counts as one.
pub fn readers(graph: &GraphProto) -> HashMap<&str, usize> {
    let mut readers = HashMap::new();
    let read = graph.node.iter().flat_map(|node| &node.input);
    let outputs = graph
        .output
        .iter()
        .filter_map(|output| output.name.as_ref());
    for name in read.chain(outputs) {
        *readers.entry(name.as_str()).or_default() += 1;
    }
    readers
}
