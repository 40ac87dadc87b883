//! Which branch of a union a value belongs to.

use crate::lower::{Lowering, Object, Use, constant, types};
use crate::model::{Condition, Kind, Shape, Ty, Union, Variant};
use crate::names::{join, pascal, variant, words};
use crate::node::Node;
use crate::overlay::condition;

/// Members that usually tell the type of an object, in the order they are tried.
const TAGS: &[&str] = &["type", "role", "object", "source", "id", "_shape", "mode", "kind", "name"];

/// A branch that is an object.
struct ObjectBranch {
    /// The component, or what the overlay calls an inline branch.
    name: String,
    ty: Ty,
    object: Object,
    schema: Node,
    /// The values of the tag; empty where the branch has none.
    values: Vec<String>,
    /// The branch allows any text as its tag.
    any_tag: bool,
    conditions: Vec<Condition>,
}

impl Lowering<'_> {
    /// A `oneOf` or `anyOf`.
    pub(crate) fn union(&mut self, schema: &Node, key: &str, own_words: &[String]) -> Use {
        let mut branches = Vec::new();
        let mut nullable = false;
        collect(schema, &mut branches, &mut nullable);
        if let [only] = branches.as_slice() {
            let used = self.lower(only, key, own_words);
            return Use { nullable: used.nullable || nullable, ..used };
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
        self.name_variants(&mut union, own_words, key);
        if let [only] = union.variants.as_slice()
            && union.objects.iter().chain(&[]).all(|(conditions, _)| conditions.is_empty())
            && union.tagged.is_empty()
        {
            return Use { ty: only.ty.clone(), nullable };
        }
        let name = self.register(key, own_words, schema, Kind::Union(union));
        Use { ty: Ty::Named(name), nullable }
    }

    /// Whether a branch is text, free or of certain values.
    fn is_text(&self, branch: &Node) -> bool {
        if let Some(reference) = branch.text_of("$ref") {
            return self.schema(Self::target(reference)).is_some_and(|target| self.is_text(target));
        }
        types(branch).0 == ["string"]
            || branch.get("enum").map(Node::elements).is_some_and(|v| v.iter().all(|v| v.text().is_some()))
    }

    /// Branches that are all text: one enum of all their values, or any text where one branch allows that.
    fn text_branches(&mut self, branches: &[Node], schema: &Node, key: &str, own_words: &[String]) -> Ty {
        if let [branch] = branches
            && branch.get("$ref").is_some()
        {
            return self.lower(branch, key, own_words).ty;
        }
        let mut values = Vec::new();
        for branch in branches {
            let branch = branch.text_of("$ref").and_then(|name| self.schema(Self::target(name))).unwrap_or(branch);
            let listed: Vec<_> = match branch.get("const") {
                Some(Node::Text(text)) => vec![text.clone()],
                _ => branch.texts_of("enum").into_iter().map(str::to_owned).collect(),
            };
            if listed.is_empty() {
                return Ty::String;
            }
            values.extend(listed);
        }
        Ty::Named(self.enumeration(values, schema, key, own_words))
    }

    /// A branch that is no object and no text.
    fn plain_branch(&mut self, branch: &Node, key: &str, own_words: &[String], union: &mut Union) {
        let inline = if types(branch).0 == ["array"] { own_words.to_vec() } else { join(own_words, &words("value")) };
        let used = self.lower(branch, key, &inline);
        let (shape, of) = self.shape(&used.ty);
        let rust = match (shape, of) {
            (Shape::Number, _) => "Number",
            (Shape::Boolean, _) => "Boolean",
            (Shape::Array, Some(Shape::String)) if union.shapes.iter().any(|(s, ..)| *s == Shape::Array) => "Texts",
            (Shape::Array, Some(Shape::Number)) => "Numbers",
            (Shape::Array, Some(Shape::Array)) => "Lists",
            (Shape::Array, _) => "List",
            (Shape::String, _) => "Text",
            (Shape::Object, _) => "Object",
        };
        let clash = union.shapes.iter().any(|(s, o, _)| *s == shape && (o.is_none() || of.is_none() || *o == of));
        if clash {
            // Two kinds of number are one kind of JSON value; the wider type takes both.
            let earlier = union.shapes.iter().find(|(s, ..)| *s == shape).map(|(.., index)| *index);
            match earlier.and_then(|index| union.variants.get_mut(index)) {
                Some(wide) if shape == Shape::Number => wide.ty = Ty::Number,
                Some(same) if same.ty == used.ty => {}
                _ => self.undecided(key, "two branches are lists of the same kind"),
            }
            return;
        }
        union.shapes.push((shape, of, union.variants.len()));
        let rust = if union.variants.iter().any(|v| v.rust == rust) {
            format!("{rust}Of{}", union.variants.len())
        } else {
            rust.to_owned()
        };
        union.variants.push(Variant { rust, ty: used.ty, tags: Vec::new(), boxed: false });
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
        let union = |name: &String| {
            let kind = self.types.iter().find(|ty| ty.name == *name).map(|ty| &ty.kind);
            matches!(kind, Some(Kind::Union(union)) if !union.shapes.is_empty())
        };
        match of {
            Ty::Json => None,
            Ty::Named(name) if union(name) => None,
            other => Some(self.shape(other).0),
        }
    }

    fn undecided(&mut self, key: &str, why: &str) {
        let text = format!(
            "{why}, and nothing tells which one a value is; add an entry for `{key}` to overlay/unions.yaml with `order` (a list of \
             `branch` and `when`) or `drop`"
        );
        self.problem(key, text);
    }

    /// The branches that are objects.
    fn object_branches(
        &mut self,
        schema: &Node,
        branches: &[&Node],
        key: &str,
        own_words: &[String],
        union: &mut Union,
    ) {
        if branches.is_empty() {
            return;
        }
        let rule = self.overlay.union(key).cloned();
        let dropped =
            rule.as_ref().map(|rule| rule.texts_of("drop").into_iter().map(str::to_owned).collect::<Vec<_>>());
        let dropped = dropped.unwrap_or_default();
        let merged: Vec<_> = branches.iter().map(|branch| (*branch, self.merged(branch, key, own_words))).collect();
        let declared = schema.get("discriminator").and_then(|d| d.text_of("propertyName"));
        let ruled = rule.as_ref().and_then(|rule| rule.text_of("tag"));
        let tag = ruled.or(declared).map(str::to_owned).or_else(|| usual_tag(&merged));

        let mut objects: Vec<ObjectBranch> = Vec::new();
        for (branch, object) in merged {
            let property = tag.as_ref().and_then(|tag| object.property(tag));
            let values = property.map(|property| self.tag_values(&property.schema)).unwrap_or_default();
            let any_tag = property.is_some() && values.is_empty();
            let named = branch_reference(branch);
            let name = named.map(str::to_owned).unwrap_or_else(|| branch_key(&object, &values));
            if dropped.contains(&name) {
                continue;
            }
            // Nothing but a tag and anything else: what `Unrecognized` is for.
            if any_tag && named.is_none() && object.properties.len() == 1 {
                continue;
            }
            let free = object.properties.is_empty();
            let same = objects.iter().any(|other| {
                other.values == values
                    && other.object.properties.len() == object.properties.len()
                    && self.same_schema(&other.schema, branch)
            });
            if same {
                continue;
            }
            let ty = if named.is_some() {
                self.lower(branch, key, own_words).ty
            } else {
                let place = format!("{key}|{name}");
                let inline = self.words_at(&place, inline_words(own_words, &name));
                self.lower(branch, &place, &inline).ty
            };
            if free && branches.len() > 1 && named.is_none() {
                // Any object: everything that no other branch takes.
                objects.push(ObjectBranch {
                    name,
                    ty,
                    object,
                    schema: branch.clone(),
                    values,
                    any_tag: true,
                    conditions: Vec::new(),
                });
                continue;
            }
            objects.push(ObjectBranch {
                name,
                ty,
                object,
                schema: branch.clone(),
                values,
                any_tag,
                conditions: Vec::new(),
            });
        }

        let order =
            rule.as_ref().and_then(|rule| rule.get("order")).map(|order| order.elements().to_vec()).unwrap_or_default();
        let place =
            |branch: &ObjectBranch| order.iter().position(|entry| entry.text_of("branch") == Some(&branch.name));
        for branch in &mut objects {
            let Some(entry) = place(branch).and_then(|at| order.get(at)) else { continue };
            for text in entry.texts_of("when") {
                match condition(text) {
                    Some(condition) => branch.conditions.push(condition),
                    None => self.problem(key, format!("overlay/unions.yaml: `{text}` is no condition")),
                }
            }
        }
        objects.sort_by_key(|branch| place(branch).unwrap_or(usize::MAX));
        self.separate(&mut objects, key, &order);

        union.tag = tag.clone().unwrap_or_default();
        let missing: Vec<Node> =
            rule.as_ref().and_then(|rule| rule.get("missing")).map_or(&[][..], Node::elements).to_vec();
        let optional_tags = objects.iter().filter(|branch| tag_is_optional(branch, tag.as_deref())).count();
        let mut late = Vec::new();
        for branch in objects {
            let index = union.variants.len();
            let tag = tag.as_deref().unwrap_or_default();
            for value in &branch.values {
                union.tagged.push((value.clone(), branch.conditions.clone(), index));
            }
            if let Some(at) = missing.iter().position(|entry| entry.text_of("branch") == Some(&branch.name)) {
                let when = missing.get(at).map(|entry| entry.texts_of("when")).unwrap_or_default();
                let conditions = when.into_iter().filter_map(condition);
                late.push((conditions.chain([Condition::Lacks(tag.to_owned())]).collect(), index));
            } else if missing.is_empty() && optional_tags == 1 && tag_is_optional(&branch, Some(tag)) {
                late.push((vec![Condition::Lacks(tag.to_owned())], index));
            } else if branch.values.is_empty() {
                let mut conditions = branch.conditions.clone();
                if branch.any_tag && conditions.is_empty() && !tag.is_empty() && branch.object.property(tag).is_some() {
                    conditions.push(Condition::Has(tag.to_owned()));
                }
                late.push((conditions, index));
            }
            union.variants.push(Variant { rust: String::new(), ty: branch.ty, tags: branch.values, boxed: false });
        }
        late.sort_by_key(|(conditions, _)| std::cmp::Reverse(conditions.len()));
        union.objects = late;
        union.tagged.sort_by(|one, two| one.0.cmp(&two.0));
    }

    /// Finds conditions where branches share a value of the tag, or have none.
    fn separate(&mut self, objects: &mut Vec<ObjectBranch>, key: &str, order: &[Node]) {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (index, branch) in objects.iter().enumerate() {
            let together = |other: &ObjectBranch| {
                (branch.values.is_empty() && other.values.is_empty())
                    || other.values.iter().any(|value| branch.values.contains(value))
            };
            match groups.iter_mut().find(|group| group.iter().any(|other| objects.get(*other).is_some_and(together))) {
                Some(group) => group.push(index),
                None => groups.push(vec![index]),
            }
        }
        let mut superfluous = Vec::new();
        for group in groups.into_iter().filter(|group| group.len() > 1) {
            let ruled = |index: &usize| {
                let name = objects.get(*index).map(|branch| branch.name.as_str());
                order.iter().any(|entry| entry.text_of("branch") == name)
            };
            if group.iter().all(ruled) {
                continue;
            }
            // A branch whose members another branch has too, of the same types, needs no place of its own.
            let mut left = group.clone();
            for small in &group {
                let wider = left.iter().find(|large| *large != small && self.covers(objects, **large, *small));
                if wider.is_some() {
                    superfluous.push(*small);
                    left.retain(|index| index != small);
                }
            }
            let unique = |index: usize| {
                let own = objects.get(index)?;
                own.object.required.iter().find(|name| {
                    left.iter().all(|other| {
                        *other == index || objects.get(*other).is_none_or(|o| o.object.property(name).is_none())
                    })
                })
            };
            let found: Vec<_> = left.iter().map(|index| (*index, unique(*index).cloned())).collect();
            if found.iter().filter(|(_, name)| name.is_none()).count() > 1 {
                let names: Vec<_> =
                    left.iter().filter_map(|index| objects.get(*index)).map(|branch| branch.name.clone()).collect();
                self.undecided(key, &format!("branches {} look alike", names.join(", ")));
            }
            for (index, name) in found {
                if let (Some(branch), Some(name)) = (objects.get_mut(index), name) {
                    branch.conditions.push(Condition::Has(name));
                }
            }
        }
        superfluous.sort_unstable();
        for index in superfluous.into_iter().rev() {
            objects.remove(index);
        }
        // Within a tag's value the branches with more conditions are tried first.
        if order.is_empty() {
            objects.sort_by_key(|branch| std::cmp::Reverse(branch.conditions.len()));
        }
    }

    /// Whether every member of branch `small` is a member of branch `large` too, of the same type.
    fn covers(&self, objects: &[ObjectBranch], large: usize, small: usize) -> bool {
        let (Some(large), Some(small)) = (objects.get(large), objects.get(small)) else { return false };
        small.object.properties.iter().all(|property| {
            let other = large.object.property(&property.name);
            other.is_some_and(|other| self.same_schema(&other.schema, &property.schema))
        })
    }

    /// Whether two schemas mean the same, through references.
    fn same_schema(&self, one: &Node, two: &Node) -> bool {
        let resolve = |schema: &Node| -> Node {
            let target = branch_reference(schema).and_then(|name| self.schema(name));
            let mut plain = target.unwrap_or(schema).without_prose();
            plain.remove("default");
            plain.remove("additionalProperties");
            plain
        };
        resolve(one) == resolve(two)
    }

    /// The texts a tag may be; none where it may be any text.
    fn tag_values(&self, schema: &Node) -> Vec<String> {
        let schema = schema.text_of("$ref").and_then(|name| self.schema(Self::target(name))).unwrap_or(schema);
        match schema.get("const") {
            Some(Node::Text(text)) => vec![text.clone()],
            _ => schema.texts_of("enum").into_iter().map(str::to_owned).collect(),
        }
    }

    /// Names the branches: by their tag where each has one of its own, by their type otherwise.
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
                    let ty = branch.ty.named().map_or_else(|| "Object".to_owned(), str::to_owned);
                    let of_type = words(&ty);
                    let own = own_words.iter().zip(&of_type).take_while(|(a, b)| a == b).count();
                    let rest = of_type.get(own..).unwrap_or_default();
                    if rest.is_empty() { ty } else { pascal(rest) }
                }
                (given, _) => given.to_owned(),
            });
        }
        for (index, rust) in named.iter().enumerate() {
            let clash =
                rust == "Unrecognized" || named.iter().enumerate().any(|(other, name)| other != index && name == rust);
            let Some(branch) = union.variants.get_mut(index) else { continue };
            branch.rust = match (clash, branch.ty.named()) {
                (true, Some(ty)) => ty.to_owned(),
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
                format!("two branches are both called `{rust}`; name one of their types in overlay/names.yaml"),
            );
        }
    }
}

/// The branches of a union, through unions in it; null is no branch.
fn collect(schema: &Node, branches: &mut Vec<Node>, nullable: &mut bool) {
    let listed = schema.get("oneOf").or(schema.get("anyOf")).map_or(&[][..], Node::elements);
    for branch in listed {
        let only_null = branch.text_of("type") == Some("null")
            || branch
                .get("enum")
                .map(Node::elements)
                .is_some_and(|values| values.iter().all(|value| *value == Node::Null) && !values.is_empty());
        if only_null {
            *nullable = true;
        } else if branch.get("oneOf").or(branch.get("anyOf")).is_some() && branch.get("discriminator").is_none() {
            collect(branch, branches, nullable);
        } else {
            *nullable |= types(branch).1;
            branches.push(branch.clone());
        }
    }
}

/// The component a branch is, also when it is wrapped in an `allOf` that adds nothing.
fn branch_reference(branch: &Node) -> Option<&str> {
    let wrapped = || {
        let parts = branch.get("allOf")?.elements();
        let adds = |part: &Node| {
            part.get("properties").is_some_and(|p| !p.members().is_empty()) || part.get("required").is_some()
        };
        (!parts.iter().any(adds)).then(|| parts.iter().find_map(|part| part.text_of("$ref"))).flatten()
    };
    branch.text_of("$ref").or_else(wrapped).map(Lowering::target)
}

/// What an inline branch is called: its constant, or its first required member.
fn branch_key(object: &Object, values: &[String]) -> String {
    if let [value] = values {
        return value.clone();
    }
    let constants =
        TAGS.iter().filter_map(|tag| object.property(tag)).find_map(|property| constant(&property.schema)?.text());
    let first = object
        .properties
        .iter()
        .find(|property| object.required.contains(&property.name))
        .or(object.properties.first());
    constants
        .map(str::to_owned)
        .or_else(|| first.map(|property| property.name.clone()))
        .unwrap_or_else(|| "object".to_owned())
}

/// The words of the type of an inline branch.
fn inline_words(own: &[String], name: &str) -> Vec<String> {
    let added = words(name);
    if added.len() > 1 && added.last() == own.last() {
        let kept = own.len().saturating_sub(1);
        return own.iter().take(kept).cloned().chain(added).collect();
    }
    own.iter().cloned().chain(added).collect()
}

fn tag_is_optional(branch: &ObjectBranch, tag: Option<&str>) -> bool {
    !branch.values.is_empty() && tag.is_some_and(|tag| !branch.object.required.contains(tag))
}

/// The member that tells most of the branches apart.
fn usual_tag(branches: &[(&Node, Object)]) -> Option<String> {
    let telling = |tag: &str| {
        branches
            .iter()
            .filter(|(_, object)| object.property(tag).is_some_and(|property| constant(&property.schema).is_some()))
            .count()
    };
    let best = TAGS.iter().max_by_key(|tag| (telling(tag), std::cmp::Reverse(TAGS.iter().position(|t| t == *tag))))?;
    (telling(best) > 0).then(|| (*best).to_owned())
}

/// What nearly all tags begin with up to a dot, as `response.`.
fn common_prefix(tags: &[Vec<String>]) -> Option<String> {
    let all: Vec<&String> = tags.iter().flatten().collect();
    let prefix = all.iter().find_map(|tag| tag.split_once('.')).map(|(first, _)| format!("{first}."))?;
    let sharing = all.iter().filter(|tag| tag.starts_with(&prefix)).count();
    let rest: Vec<_> = all.iter().map(|tag| variant(tag.strip_prefix(&prefix).unwrap_or(tag))).collect();
    let unique = rest.iter().enumerate().all(|(i, name)| !rest.iter().skip(i + 1).any(|other| other == name));
    (sharing * 10 >= all.len() * 8 && all.len() > 3 && unique).then_some(prefix)
}
