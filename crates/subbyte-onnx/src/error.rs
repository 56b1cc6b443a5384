use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use subbyte_graph::Problems;

/// How many nodes with the same problem are named.
const NAMED: usize = 3;

/// Why an ONNX file could not be read or written.
#[derive(Debug)]
pub struct OnnxError {
    path: Option<PathBuf>,
    kind: OnnxErrorKind,
}

/// What is wrong with an ONNX file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxErrorKind {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// The bytes are no ONNX file, or were cut off.
    #[error("is no ONNX file, or a damaged one: {0}. Restore it from a copy or export it again")]
    Container(String),
    /// The operators' version is too old or too new.
    #[error(
        "uses opset {found}, this subbyte reads 13 to 25: convert it with `onnx.version_converter.convert_version`, or export it again"
    )]
    Opset {
        /// The file's version.
        found: i64,
    },
    /// The network as a whole is not what it claims, or no image network.
    #[error("{0}")]
    Model(String),
    /// Nodes that cannot be taken over, all of them.
    #[error("has nodes that subbyte cannot take over:\n{}", Listed(.0))]
    Nodes(Vec<NodeProblem>),
    /// Each node is fine, but the graph that they make is not valid.
    #[error("makes a graph that is not valid:\n{0}")]
    Graph(Problems),
    /// The graph cannot be written.
    #[error("cannot be written:\n{0}")]
    Write(Problems),
}

/// One node that cannot be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeProblem {
    /// Its name in the file, or that of its first output where it has none.
    pub node: String,
    /// The operator, with its domain unless that is ONNX's own.
    pub operator: String,
    /// Why.
    pub what: String,
    /// What to do.
    pub advice: String,
}

/// Problems with the nodes that share one gathered.
struct Listed<'a>(&'a [NodeProblem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: Vec<(&NodeProblem, Vec<&str>)> = Vec::new();
        for problem in self.0 {
            let same = |p: &NodeProblem| {
                (&p.operator, &p.what, &p.advice)
                    == (&problem.operator, &problem.what, &problem.advice)
            };
            match groups.iter_mut().find(|(first, _)| same(first)) {
                Some((_, nodes)) => nodes.push(&problem.node),
                None => groups.push((problem, vec![&problem.node])),
            }
        }
        for (i, (problem, nodes)) in groups.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{} `{}`", problem.operator, nodes[0])?;
            for node in &nodes[1..nodes.len().min(NAMED)] {
                write!(f, ", `{node}`")?;
            }
            if nodes.len() > NAMED {
                write!(f, " and {} more", nodes.len() - NAMED)?;
            }
            write!(f, ": {}; {}", problem.what, problem.advice)?;
        }
        Ok(())
    }
}

impl OnnxError {
    /// What is wrong.
    pub fn kind(&self) -> &OnnxErrorKind {
        &self.kind
    }

    /// The file, where it came from one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(crate) fn at(self, path: &Path) -> Self {
        Self {
            path: Some(path.to_owned()),
            ..self
        }
    }
}

impl From<OnnxErrorKind> for OnnxError {
    fn from(kind: OnnxErrorKind) -> Self {
        Self { path: None, kind }
    }
}

impl fmt::Display for OnnxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} {}", path.display(), self.kind),
            None => write!(f, "the ONNX data {}", self.kind),
        }
    }
}

impl std::error::Error for OnnxError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            OnnxErrorKind::Read(e) => Some(e),
            OnnxErrorKind::Graph(problems) | OnnxErrorKind::Write(problems) => Some(problems),
            _ => None,
        }
    }
}

/// Why one node cannot be taken over, before it is known which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub what: String,
    pub advice: String,
}

impl Refusal {
    pub fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            advice: advice.into(),
        }
    }

    /// The file contradicts the definition of the operator.
    pub fn broken(what: impl Into<String>) -> Self {
        Self::new(
            what,
            "check the file with `onnx.checker`, or export it again",
        )
    }
}
