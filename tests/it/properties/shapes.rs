//! What the models look like, read from their source, and random JSON of these looks.
//!
//! The source is the description here: the macros `wire_struct!`, `wire_enum!` and `wire_union!` list members, values and
//! variants, and the declarations above them the types of the fields.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fastrand::Rng;

/// A JSON value before it is text. It may have what serde_json's tree cannot represent: members of
/// the same name, any number.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    /// A text, a number, a boolean or null, as it is in JSON.
    Scalar(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    fn string(text: &str) -> Self {
        Self::Scalar(serde_json::to_string(text).unwrap())
    }

    fn null() -> Self {
        Self::Scalar("null".to_owned())
    }

    /// The JSON text, with whitespace here and there.
    pub(crate) fn text(&self, rng: &mut Rng) -> String {
        let mut text = String::new();
        self.write(&mut text, rng);
        text
    }

    fn write(&self, text: &mut String, rng: &mut Rng) {
        let space = |text: &mut String, rng: &mut Rng| {
            if rng.u8(..) < 8 {
                text.push_str(rng.choice([" ", "\n", "\r\n", "\t  "]).unwrap());
            }
        };
        space(text, rng);
        match self {
            Self::Scalar(scalar) => text.push_str(scalar),
            Self::Array(elements) => {
                text.push('[');
                for (at, element) in elements.iter().enumerate() {
                    text.push_str(if at > 0 { "," } else { "" });
                    element.write(text, rng);
                }
                text.push(']');
            }
            Self::Object(members) => {
                text.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    text.push_str(if at > 0 { "," } else { "" });
                    space(text, rng);
                    text.push_str(&serde_json::to_string(name).unwrap());
                    space(text, rng);
                    text.push(':');
                    value.write(text, rng);
                }
                text.push('}');
            }
        }
        space(text, rng);
    }

    fn set(&mut self, name: &str, value: Tree) {
        if let Self::Object(members) = self {
            members.retain(|(other, _)| other != name);
            members.push((name.to_owned(), value));
        }
    }

    fn remove(&mut self, name: &str) {
        if let Self::Object(members) = self {
            members.retain(|(other, _)| other != name);
        }
    }

    fn size(&self) -> usize {
        1 + match self {
            Self::Scalar(_) => 0,
            Self::Array(elements) => elements.iter().map(Self::size).sum(),
            Self::Object(members) => members.iter().map(|(_, value)| value.size()).sum(),
        }
    }

    /// The value at `place` when all are counted from the root.
    fn at(&mut self, place: &mut usize) -> Option<&mut Self> {
        if *place == 0 {
            return Some(self);
        }
        *place -= 1;
        match self {
            Self::Scalar(_) => None,
            Self::Array(elements) => elements.iter_mut().find_map(|element| element.at(place)),
            Self::Object(members) => members.iter_mut().find_map(|(_, value)| value.at(place)),
        }
    }
}

/// Texts as they come, and as nobody expects them.
pub(crate) fn random_text(rng: &mut Rng) -> String {
    match rng.usize(..12) {
        0 => String::new(),
        1 => rng
            .choice([".", "..", "/", "%", "%2F", "?", "#", "&", "=", "+", " ", "\\", "\"", "\r\n", "\0"])
            .unwrap()
            .to_owned(),
        2 => rng.choice(["null", "true", "0", "[DONE]", "{\"a\":1}", "data: x", "text"]).unwrap().to_owned(),
        3..6 => (0..rng.usize(..12)).map(|_| rng.char(..)).collect(),
        6 => (0..rng.usize(..200)).map(|_| rng.char('\0'..='\u{ff}')).collect(),
        _ => (0..rng.usize(1..12)).map(|_| rng.alphanumeric()).collect(),
    }
}

fn random_number(rng: &mut Rng) -> String {
    match rng.usize(..8) {
        0 => rng.choice(["0", "-0", "1.0", "1e2", "1E+2", "1e-7", "0.1", "-1"]).unwrap().to_owned(),
        1 => rng
            .choice(["9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1e400"])
            .unwrap()
            .to_owned(),
        2 => format!("{}{}", rng.u64(1..), rng.u128(..)),
        3 => format!("{:?}", rng.f64() * 1e6),
        _ => rng.i32(..).to_string(),
    }
}

/// Any JSON value.
pub(crate) fn random_value(rng: &mut Rng, depth: usize) -> Tree {
    match rng.usize(..if depth == 0 { 6 } else { 9 }) {
        0 => Tree::null(),
        1 => Tree::Scalar(rng.bool().to_string()),
        2 => Tree::Scalar(random_number(rng)),
        3 => Tree::Scalar(
            rng.choice(["\"\\ud800\"", "\"\\u0000\"", "\"\\ud83d\\ude00\"", "\"\\/\""]).unwrap().to_owned(),
        ),
        4 | 5 => Tree::string(&random_text(rng)),
        6 => Tree::Array((0..rng.usize(..4)).map(|_| random_value(rng, depth - 1)).collect()),
        _ => {
            let mut object = Tree::Object(Vec::new());
            for _ in 0..rng.usize(..4) {
                let name = random_name(rng);
                object.set(&name, random_value(rng, depth - 1));
            }
            object
        }
    }
}

fn random_name(rng: &mut Rng) -> String {
    let known = ["type", "role", "id", "error", "content", "text", "object", "data", "index", "message"];
    if rng.bool() { (*rng.choice(known).unwrap()).to_owned() } else { random_text(rng) }
}

/// One model type.
#[derive(Debug)]
enum Shape {
    /// Members that always have this JSON text, then the fields: name on the wire, kind, type.
    Object {
        constants: Vec<(String, String)>,
        members: Vec<(String, String, String)>,
    },
    Texts(Vec<String>),
    Union(Vec<Branch>),
    Alias(String),
}

/// One variant of a union.
#[derive(Debug)]
struct Branch {
    /// The type it holds.
    holds: String,
    /// The member that determines it and its value.
    tag: Option<(String, String)>,
    conditions: Vec<Condition>,
}

#[derive(Debug)]
enum Condition {
    Has(String),
    Lacks(String),
    Is(String, String),
}

/// All model types by name.
pub(crate) struct Shapes(BTreeMap<String, Shape>);

fn sources(folder: &Path, found: &mut Vec<String>) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

fn read(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    found
}

/// The types that operations return: one JSON value, or the events of a stream.
pub(crate) fn answers() -> BTreeSet<String> {
    let mut answers = BTreeSet::new();
    for source in read("src/funcs") {
        for piece in source.split("Call<").skip(1) {
            let answer = piece.split(['>', ',']).next().unwrap();
            let answer = answer.strip_prefix("EventStream<").unwrap_or(answer);
            let answer = answer.strip_prefix("Vec<").unwrap_or(answer);
            if answer.starts_with(char::is_uppercase) && !["Download", "Json"].contains(&answer) {
                answers.insert(answer.to_owned());
            }
        }
    }
    answers
}

/// What is between `start` and the next `end`.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let from = text.find(start)? + start.len();
    Some(&text[from..from + text[from..].find(end)?])
}

/// The string literals of a line.
fn literals(line: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), line);
    while let Some(start) = rest.find('"') {
        let mut end = start + 1;
        while rest.as_bytes()[end] != b'"' {
            end += if rest.as_bytes()[end] == b'\\' { 2 } else { 1 };
        }
        found.push(serde_json::from_str(&rest[start..=end]).unwrap());
        rest = &rest[end + 1..];
    }
    found
}

impl Shapes {
    /// Reads the source of the models.
    pub(crate) fn read() -> Self {
        let mut shapes = BTreeMap::new();
        for source in read("src/models") {
            Self::add(&source, &mut shapes);
        }
        assert!(shapes.len() > 1000, "{} types", shapes.len());
        Self(shapes)
    }

    fn add(source: &str, shapes: &mut BTreeMap<String, Shape>) {
        for line in source.lines() {
            if let Some((name, of)) = line.strip_prefix("pub type ").and_then(|line| line.split_once(" = ")) {
                shapes.insert(name.to_owned(), Shape::Alias(of.trim_end_matches(';').to_owned()));
            }
        }
        for piece in source.split("wire_struct!(").skip(1) {
            let name = piece.split([' ', '{']).next().unwrap();
            let (head, rest) = piece.split_once('{').unwrap();
            let types = between(source, &format!("pub struct {name} {{\n"), "\n}").unwrap();
            let members = rest.split("})").next().unwrap().split("});").next().unwrap();
            let members = members.split(',').filter_map(|member| {
                let (head, kind) = member.trim().split_once(": ")?;
                let field = head.split(' ').next()?;
                let kind = kind.split(' ').next()?;
                let of = between(types, &format!("pub {field}: "), ",\n")?;
                let name = literals(head).pop().unwrap_or_else(|| field.to_owned());
                Some((name, kind.to_owned(), of.to_owned()))
            });
            let constants = literals(head).chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
            shapes.insert(name.to_owned(), Shape::Object { constants, members: members.collect() });
        }
        for piece in source.split("wire_enum!(").skip(1) {
            let (name, rest) = piece.split_once(" {").unwrap();
            shapes.insert(name.to_owned(), Shape::Texts(literals(rest.split("});").next().unwrap())));
        }
        for piece in source.split("wire_union!(").skip(1) {
            let (name, rest) = piece.split_once(" {").unwrap();
            let variants = between(source, &format!("pub enum {name} {{\n"), "\n}").unwrap();
            let mut branches = Vec::new();
            let body = rest.split("variants {").next().unwrap();
            let tag = literals(body.trim_start().lines().next().unwrap()).first().cloned().unwrap_or_default();
            for line in body.lines().filter(|line| line.contains("=> ")) {
                let variant = line.rsplit("=> ").next().unwrap().trim_matches([',', ' ', '}']);
                let Some(holds) = between(variants, &format!("    {variant}("), "),\n") else { continue };
                let head = line.split("=> ").next().unwrap().trim_start();
                let is_tagged = head.starts_with('"');
                let mut texts = literals(head).into_iter();
                let tag = is_tagged.then(|| (tag.clone(), texts.next().unwrap()));
                let mut conditions = Vec::new();
                for condition in head.split(" if (").nth(1).or(head.strip_prefix("if (")).unwrap_or("").split("), ") {
                    let texts = literals(condition);
                    match condition.split('(').next() {
                        Some("Has") => conditions.push(Condition::Has(texts[0].clone())),
                        Some("Lacks") => conditions.push(Condition::Lacks(texts[0].clone())),
                        Some("Is") => conditions.push(Condition::Is(texts[0].clone(), texts[1].clone())),
                        _ => {}
                    }
                }
                branches.push(Branch { holds: holds.to_owned(), tag, conditions });
            }
            assert!(!branches.is_empty(), "{name}");
            shapes.insert(name.to_owned(), Shape::Union(branches));
        }
    }

    /// A value of a model type as the type describes it.
    pub(crate) fn value_of(&self, name: &str, rng: &mut Rng) -> Tree {
        // So many values at most, or nearly.
        let mut budget = rng.usize(5..250);
        self.make(name, rng, &mut budget)
    }

    fn make(&self, of: &str, rng: &mut Rng, budget: &mut usize) -> Tree {
        *budget = budget.saturating_sub(1);
        if let Some((outer, inner)) = of.strip_suffix('>').and_then(|of| of.split_once('<')) {
            return match outer {
                "Option" | "Patch" | "Box" | "Secret" => self.make(inner, rng, budget),
                "Vec" => {
                    let length = if *budget == 0 { 0 } else { rng.usize(..4) };
                    Tree::Array((0..length).map(|_| self.make(inner, rng, budget)).collect())
                }
                "BTreeMap" => {
                    let mut map = Tree::Object(Vec::new());
                    for _ in 0..if *budget == 0 { 0 } else { rng.usize(..4) } {
                        let name = random_text(rng);
                        map.set(&name, self.make(inner.split_once(", ").unwrap().1, rng, budget));
                    }
                    map
                }
                other => panic!("the type {other} is new to this test"),
            };
        }
        match of {
            "String" | "Secret" => return Tree::string(&random_text(rng)),
            "bool" => return Tree::Scalar(rng.bool().to_string()),
            "i64" => return Tree::Scalar(rng.i64(..).to_string()),
            "f64" => return Tree::Scalar(format!("{:?}", rng.f64() * 1e3)),
            "Json" => return random_value(rng, 3),
            "JsonObject" => return Tree::Object(vec![("a".to_owned(), random_value(rng, 2))]),
            _ => {}
        }
        match self.0.get(of).unwrap_or_else(|| panic!("the type {of} is new to this test")) {
            Shape::Alias(of) => self.make(of, rng, budget),
            Shape::Texts(texts) => Tree::string(rng.choice(texts).unwrap()),
            Shape::Object { constants, members } => {
                let constants = constants.iter().map(|(name, text)| (name.clone(), Tree::string(text)));
                let mut object: Vec<_> = constants.collect();
                for (name, kind, of) in members {
                    let wanted = matches!(kind.as_str(), "Required" | "Nullable") || *budget > 0 && rng.bool();
                    if wanted {
                        object.push((name.clone(), self.make(of, rng, budget)));
                    }
                }
                rng.shuffle(&mut object);
                Tree::Object(object)
            }
            Shape::Union(branches) => {
                let branch = rng.choice(branches).unwrap();
                let mut value = self.make(&branch.holds, rng, budget);
                if let Some((name, text)) = &branch.tag {
                    value.set(name, Tree::string(text));
                }
                for condition in &branch.conditions {
                    match condition {
                        Condition::Lacks(name) => value.remove(name),
                        Condition::Is(name, text) => value.set(name, Tree::string(text)),
                        Condition::Has(name) => {
                            if !matches!(&value, Tree::Object(members) if members.iter().any(|(own, _)| own == name)) {
                                value.set(name, self.member(&branch.holds, name, rng));
                            }
                        }
                    }
                }
                value
            }
        }
    }

    /// A value for one member of a type.
    fn member(&self, of: &str, name: &str, rng: &mut Rng) -> Tree {
        let of = of.strip_prefix("Box<").and_then(|of| of.strip_suffix('>')).unwrap_or(of);
        match self.0.get(of) {
            Some(Shape::Alias(of)) => self.member(of, name, rng),
            Some(Shape::Object { members, .. }) => match members.iter().find(|(own, _, _)| own == name) {
                Some((_, _, of)) => self.make(of, rng, &mut 0),
                None => Tree::string("x"),
            },
            _ => Tree::string("x"),
        }
    }

    /// Changes one value somewhere: it is dropped, becomes null, another type or another text, is put into a list or an
    /// object, gets another member or the same one twice.
    pub(crate) fn mutate(&self, tree: &mut Tree, rng: &mut Rng) {
        let mut place = rng.usize(..tree.size());
        let Some(value) = tree.at(&mut place) else { return };
        match rng.usize(..9) {
            0 => *value = Tree::null(),
            1 => *value = random_value(rng, 2),
            2 => *value = Tree::string(&random_text(rng)),
            3 => *value = Tree::Array(vec![value.clone()]),
            4 => *value = Tree::Object(vec![(random_name(rng), value.clone())]),
            5 => *value = Tree::Array(Vec::new()),
            6 => {
                let all: Vec<_> = self.0.keys().collect();
                *value = self.make(rng.choice(all).unwrap(), rng, &mut 10);
            }
            _ => match value {
                Tree::Object(members) if !members.is_empty() && rng.bool() => {
                    let at = rng.usize(..members.len());
                    match rng.usize(..3) {
                        0 => drop(members.remove(at)),
                        1 => members[at].1 = random_value(rng, 1),
                        _ => members.push((members[at].0.clone(), random_value(rng, 1))),
                    }
                }
                Tree::Object(members) => members.push((random_name(rng), random_value(rng, 2))),
                Tree::Array(elements) => elements.push(random_value(rng, 2)),
                Tree::Scalar(_) => *value = Tree::Scalar(random_number(rng)),
            },
        }
    }
}
