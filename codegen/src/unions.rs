//! Values of several types: `oneOf` and `anyOf`.

use std::collections::{BTreeMap, BTreeSet};

use crate::branches::branch_reference;
use crate::equal::plain;
use crate::lower::{Lowering, Use, types};
use crate::model::{Kind, Shape, Ty, Type, Union, Variant};
use crate::names::{join, pascal, variant, words};
use crate::node::Node;

impl Lowering<'_> {
    /// A `oneOf` or `anyOf`.
    pub(crate) fn union(&mut self, schema: &Node, key: &str, own_words: &[String]) -> Use {
        let mut branches = Vec::new();
        let mut nullable = false;
        self.collect(schema, &mut branches, &mut nullable, &mut BTreeSet::new());
        merge_lists(&mut branches);
        if let [only] = branches.as_slice() {
            let used = self.lower(only, key, own_words);
            return Use { nullable: used.nullable || nullable, ..used };
        }
        // A branch that allows anything makes the others mere examples.
        if !branches.iter().all(says_something) || branches.is_empty() {
            return Use { ty: Ty::Json, nullable: true };
        }
        let texts = branches.iter().filter(|branch| self.is_text(branch)).count();
        if texts == branches.len() {
            let ty = self.text_branches(&branches, schema, key, own_words);
            return Use { ty, nullable };
        }

        let mut union = Union::default();
        if texts > 0 {
            let text: Vec<_> = branches.iter().filter(|branch| self.is_text(branch)).cloned().collect();
            let place = format!("{key}|string");
            let inline = self.words_at(&place, join(own_words, &words("mode")));
            let ty = self.text_branches(&text, schema, &place, &inline);
            let rust = if ty == Ty::String { "Text" } else { "Mode" };
            union.shapes.push((Shape::String, None, union.variants.len()));
            union.variants.push(Variant { rust: rust.to_owned(), ty, tags: Vec::new(), boxed: false });
        }
        let mut objects = Vec::new();
        let others: Vec<_> = branches.iter().filter(|branch| !self.is_text(branch)).collect();
        for branch in others {
            if self.is_object(branch) {
                objects.push(branch);
            } else {
                self.plain_branch(branch, key, own_words, &mut union);
            }
        }
        self.object_branches(schema, &objects, key, own_words, &mut union);
        let lists: Vec<usize> =
            union.shapes.iter().filter(|(shape, ..)| *shape == Shape::Array).map(|(.., index)| *index).collect();
        if let [only] = lists.as_slice()
            && let Some(list) = union.variants.get_mut(*only)
            && !matches!(list.rust.as_str(), "Numbers" | "Lists")
        {
            list.rust = "List".to_owned();
        }
        self.name_variants(&mut union, own_words, key);
        if let [only] = union.variants.as_slice()
            && union.objects.iter().all(|(conditions, _)| conditions.is_empty())
            && union.tagged.is_empty()
        {
            return Use { ty: only.ty.clone(), nullable };
        }
        let name = self.register(key, own_words, schema, Kind::Union(union));
        Use { ty: Ty::Named(name), nullable }
    }

    /// The branches of a union, through unions in it; null is not a branch.
    fn collect(&self, schema: &Node, branches: &mut Vec<Node>, nullable: &mut bool, seen: &mut BTreeSet<String>) {
        let is_union = |schema: &Node| schema.get("oneOf").or(schema.get("anyOf")).is_some();
        for branch in schema.get("oneOf").or(schema.get("anyOf")).map_or(&[][..], Node::elements) {
            let only_null = branch.text_of("type") == Some("null")
                || branch
                    .get("enum")
                    .map(Node::elements)
                    .is_some_and(|values| values.iter().all(|value| *value == Node::Null) && !values.is_empty());
            let component = branch_reference(branch).and_then(|name| Some((name, self.schema(name)?)));
            if only_null {
                *nullable = true;
            } else if let Some((name, union)) = component.filter(|(_, union)| is_union(union)) {
                if seen.insert(name.to_owned()) {
                    self.collect(union, branches, nullable, seen);
                }
            } else if is_union(branch) {
                self.collect(branch, branches, nullable, seen);
            } else {
                *nullable |= types(component.map_or(branch, |(_, target)| target)).1;
                branches.push(branch.clone());
            }
        }
    }

    /// Whether a branch is text, free or of certain values.
    fn is_text(&self, branch: &Node) -> bool {
        if let Some(reference) = branch.text_of("$ref") {
            return self.schema(Self::target(reference)).is_some_and(|target| self.is_text(target));
        }
        types(branch).0 == ["string"]
            || branch.get("enum").map(Node::elements).is_some_and(|v| v.iter().all(|v| v.text().is_some()))
    }

    /// Branches that are all text: one enum of all their values, or any text if one branch allows that.
    fn text_branches(&mut self, branches: &[Node], schema: &Node, key: &str, own_words: &[String]) -> Ty {
        if let [branch] = branches
            && branch.get("$ref").is_some()
        {
            return self.lower(branch, key, own_words).ty;
        }
        let mut values = Vec::new();
        for branch in branches {
            let Some(listed) = self.texts(branch) else { return Ty::String };
            values.extend(listed);
        }
        Ty::Named(self.enumeration(values, schema, key, own_words))
    }

    /// A branch that is neither an object nor text.
    fn plain_branch(&mut self, branch: &Node, key: &str, own_words: &[String], union: &mut Union) {
        let inline = if types(branch).0 == ["array"] { own_words.to_vec() } else { join(own_words, &words("value")) };
        let used = self.lower(branch, key, &inline);
        let (shape, of) = self.shape(&used.ty);
        let clash = union.shapes.iter().any(|(s, o, _)| *s == shape && (o.is_none() || of.is_none() || *o == of));
        if clash {
            // Two kinds of number are one kind of JSON value; the wider type takes both.
            let earlier = union.shapes.iter().find(|(s, ..)| *s == shape).map(|(.., index)| *index);
            match earlier.and_then(|index| union.variants.get_mut(index)) {
                Some(wide) if shape == Shape::Number => wide.ty = Ty::Number,
                Some(same) if same.ty == used.ty => {}
                Some(list) if shape == Shape::Array => {
                    list.ty = Ty::List(Box::new(Ty::Json));
                    self.note(key, "has lists of several kinds, which become lists of any JSON");
                }
                _ => self.problem(
                    key,
                    "two branches are of the same kind of JSON value; write one of both, or `replace: {}`, in \
                     overlay/spec.yaml",
                ),
            }
            return;
        }
        let rust = match (shape, of) {
            (Shape::Number, _) => "Number",
            (Shape::Boolean, _) => "Boolean",
            (Shape::Array, Some(Shape::Number)) => "Numbers",
            (Shape::Array, Some(Shape::Array)) => "Lists",
            (Shape::Array, Some(Shape::String)) => "Texts",
            (Shape::Array, Some(Shape::Boolean)) => "Booleans",
            (Shape::Array, Some(Shape::Object)) => "Objects",
            (Shape::Array, None) => "List",
            (Shape::String, _) => "Text",
            (Shape::Object, _) => "Object",
        };
        union.shapes.push((shape, of, union.variants.len()));
        union.variants.push(Variant { rust: rust.to_owned(), ty: used.ty, tags: Vec::new(), boxed: false });
    }

    fn shape(&self, ty: &Ty) -> (Shape, Option<Shape>) {
        match ty {
            Ty::String | Ty::Bytes => (Shape::String, None),
            Ty::Secret(of) => self.shape(of),
            Ty::Bool => (Shape::Boolean, None),
            Ty::Integer | Ty::Number => (Shape::Number, None),
            Ty::List(of) => (Shape::Array, self.element_shape(of)),
            Ty::Json | Ty::JsonObject | Ty::Map(_) => (Shape::Object, None),
            Ty::Named(name) => match self.types.iter().find(|ty| ty.name == *name).map(|ty| &ty.kind) {
                Some(Kind::Enum(_)) => (Shape::String, None),
                Some(Kind::Alias(ty)) => self.shape(&ty.clone()),
                _ => (Shape::Object, None),
            },
        }
    }

    fn element_shape(&self, of: &Ty) -> Option<Shape> {
        let several = |name: &String| match self.types.iter().find(|ty| ty.name == *name) {
            Some(Type { kind: Kind::Union(union), .. }) => !union.shapes.is_empty(),
            Some(_) => false,
            None => true,
        };
        match of {
            Ty::Json => None,
            Ty::Named(name) if several(name) => None,
            other => Some(self.shape(other).0),
        }
    }

    /// Names the branches: by their tag if each has a different one, by their type otherwise.
    fn name_variants(&mut self, union: &mut Union, own_words: &[String], key: &str) {
        let tags: Vec<_> = union.variants.iter().filter(|v| !v.tags.is_empty()).map(|v| v.tags.clone()).collect();
        let prefix = common_prefix(&tags);
        let mut named: Vec<String> = Vec::new();
        for branch in &union.variants {
            let shared =
                union.tagged.iter().filter(|(value, ..)| branch.tags.contains(value)).count() > branch.tags.len();
            named.push(match (branch.rust.as_str(), branch.tags.as_slice()) {
                ("", [tag]) if !shared => {
                    variant(prefix.as_ref().and_then(|p| tag.strip_prefix(p.as_str())).unwrap_or(tag))
                }
                ("", _) => {
                    let ty = branch.ty.named().map_or_else(|| "Object".to_owned(), |name| plain(name).to_owned());
                    let of_type = words(&ty);
                    let own = own_words.iter().zip(&of_type).take_while(|(a, b)| a == b).count();
                    let rest = of_type.get(own..).unwrap_or_default();
                    let named = if rest.is_empty() { ty } else { pascal(rest) };
                    self.overlay.name(&format!("{key} variant {named}")).map_or(named, str::to_owned)
                }
                (given, _) => given.to_owned(),
            });
        }
        for (index, rust) in named.iter().enumerate() {
            let clash = matches!(rust.as_str(), "Unrecognized" | "Self")
                || named.iter().enumerate().any(|(other, name)| other != index && name == rust);
            let Some(branch) = union.variants.get_mut(index) else { continue };
            branch.rust = match (clash, branch.ty.named()) {
                (true, Some(ty)) => plain(ty).to_owned(),
                _ => rust.clone(),
            };
            if branch.rust.starts_with(|c: char| c.is_ascii_digit()) {
                branch.rust.insert(0, 'V');
            }
        }
        let mut seen: Vec<&str> = Vec::new();
        let mut twice = None;
        for branch in &union.variants {
            if seen.contains(&branch.rust.as_str()) {
                twice = Some(branch.rust.clone());
            }
            seen.push(&branch.rust);
        }
        if let Some(rust) = twice {
            self.problem(
                key,
                format!("two branches are both called `{rust}`; add `{key}: {{drop: [NAME]}}` to overlay/unions.yaml"),
            );
        }
    }
}

/// Whether a branch says anything about its values.
fn says_something(branch: &Node) -> bool {
    let telling = |name: &str| {
        !name.starts_with("x-")
            && !matches!(name, "description" | "example" | "examples" | "title" | "default" | "nullable")
    };
    branch.members().iter().any(|(name, _)| telling(name))
}

/// Lists of different things become one list of them all: a list has no sign of its kind when it is empty.
fn merge_lists(branches: &mut Vec<Node>) {
    let of_objects = |branch: &Node| {
        let items = branch.get("items")?;
        let object = items.get("$ref").is_some() || items.get("properties").is_some() || items.get("oneOf").is_some();
        (types(branch).0 == ["array"] && object).then(|| items.clone())
    };
    let items: Vec<Node> = branches.iter().filter_map(of_objects).collect();
    if items.len() < 2 {
        return;
    }
    let list = |name: &str, value: Node| (name.to_owned(), value);
    let merged = Node::Map(vec![
        list("type", Node::Text("array".to_owned())),
        list("items", Node::Map(vec![list("anyOf", Node::List(items))])),
    ]);
    branches.retain(|branch| of_objects(branch).is_none());
    branches.push(merged);
}

/// What nearly all tags begin with up to a dot, as `response.`.
fn common_prefix(tags: &[Vec<String>]) -> Option<String> {
    let all: Vec<&String> = tags.iter().flatten().collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (first, _) in all.iter().filter_map(|tag| tag.split_once('.')) {
        *counts.entry(first).or_default() += 1;
    }
    let most = counts.values().copied().max()?;
    let prefix = counts.iter().find(|(_, count)| **count == most).map(|(first, _)| format!("{first}."))?;
    let sharing = all.iter().filter(|tag| tag.starts_with(&prefix)).count();
    let rest: Vec<_> = all.iter().map(|tag| variant(tag.strip_prefix(&prefix).unwrap_or(tag))).collect();
    let unique = rest.iter().enumerate().all(|(i, name)| !rest.iter().skip(i + 1).any(|other| other == name));
    (sharing * 10 >= all.len() * 8 && all.len() > 3 && unique).then_some(prefix)
}
