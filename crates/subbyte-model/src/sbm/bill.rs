use alloc::vec::Vec;

use super::container::{HEADER, NAMES, SectionInfo, header_bytes};
use crate::NodeId;

/// Bytes of a file that serve one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Name of the section, `HEADER` for what comes before the sections, or `PADDING`.
    pub section: &'static str,
    /// Node to which the bytes belong, if to one.
    pub node: Option<NodeId>,
    /// How many, at least 1.
    pub bytes: usize,
}

/// Keeps account of what every byte of a file is for.
#[derive(Default)]
pub(super) struct Bill {
    items: Vec<Item>,
}

impl Bill {
    /// Notes the bytes of `node` in the sections that nodes share; `before` and `after` are the cursors' positions around it.
    pub fn charge(&mut self, node: NodeId, before: [usize; 3], after: [usize; 3]) {
        for (section, bytes) in NAMES
            .into_iter()
            .zip(before.into_iter().zip(after).map(|(b, a)| a - b))
        {
            self.add(section, Some(node), bytes);
        }
    }

    fn add(&mut self, section: &'static str, node: Option<NodeId>, bytes: usize) {
        if bytes > 0 {
            self.items.push(Item {
                section,
                node,
                bytes,
            });
        }
    }

    /// All items of a file of `bytes` bytes: the header, what the nodes do not use of each section, and the padding are added.
    pub fn close(mut self, bytes: usize, sections: &[SectionInfo]) -> Vec<Item> {
        let header = header_bytes(sections.len());
        for section in sections {
            let of_nodes = self
                .items
                .iter()
                .filter(|item| item.section == section.name);
            let used: usize = of_nodes.map(|item| item.bytes).sum();
            self.add(section.name, None, section.bytes - used);
        }
        let filled: usize = sections.iter().map(|section| section.bytes).sum();
        self.add(HEADER, None, header);
        self.add("PADDING", None, bytes - header - filled);
        self.items
    }
}
