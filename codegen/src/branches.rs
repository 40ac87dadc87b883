//! Which object of a union a value is: by its tag, by members that only one branch has, by a rule of the overlay.

use std::collections::BTreeSet;

use crate::lower::{Lowering, Object, Property, constant, types};
use crate::model::{Condition, Ty, Union, Variant};
use crate::names::words;
use crate::node::Node;
use crate::overlay::condition;

/// Members that usually tell the type of an object, in the order they are tried.
const TAGS: &[&str] = &["type", "role", "object", "source", "id", "_shape", "mode", "kind", "name"];

/// A branch that is an object.
struct Branch {
    /// The component, or what the overlay calls an inline branch.
    name: String,
    is_component: bool,
    ty: Ty,
    object: Object,
    schema: Node,
    /// The values of the tag; empty if the branch has none.
    values: Vec<String>,
    /// The overlay decides about it.
    ruled: bool,
    /// Lists of conditions; the value is of this branch when all of one list hold. Empty for always.
    ways: Vec<Vec<Condition>>,
    /// Its place among the branches that are tried.
    rank: usize,
}

/// What the overlay says about a union.
struct Rule {
    tag: Option<String>,
    drop: Vec<String>,
    order: Vec<Node>,
    missing: Vec<Node>,
}

impl Rule {
    fn of(rule: Option<&Node>) -> Self {
        let list = |name: &str| rule.and_then(|rule| rule.get(name)).map_or(&[][..], Node::elements).to_vec();
        Self {
            tag: rule.and_then(|rule| rule.text_of("tag")).map(str::to_owned),
            drop: list("drop").iter().map(ToString::to_string).collect(),
            order: list("order"),
            missing: list("missing"),
        }
    }

    /// Where a branch is in `order` or `missing`, and its conditions there.
    fn find(list: &[Node], name: &str) -> Option<(usize, Vec<Condition>)> {
        let at = list.iter().position(|entry| entry.text_of("branch") == Some(name))?;
        let when = list.get(at).map(|entry| entry.texts_of("when")).unwrap_or_default();
        Some((at, when.into_iter().filter_map(condition).collect()))
    }
}

impl Lowering<'_> {
    /// Adds the branches that are objects to a union.
    pub(crate) fn object_branches(
        &mut self,
        schema: &Node,
        objects: &[&Node],
        key: &str,
        own_words: &[String],
        union: &mut Union,
    ) {
        if objects.is_empty() {
            return;
        }
        let rule = Rule::of(self.overlay.union(key));
        let merged: Vec<_> = objects.iter().map(|branch| (*branch, self.merged(branch, key, own_words))).collect();
        let declared = schema.get("discriminator").and_then(|d| d.text_of("propertyName")).map(str::to_owned);
        let tag = rule.tag.clone().or(declared).or_else(|| self.usual_tag(&merged)).unwrap_or_default();
        let mapping = schema.get("discriminator").and_then(|d| d.get("mapping")).map_or(&[][..], Node::members);
        let mut branches = self.distinct_branches(merged, &tag, mapping);
        self.apply(&rule, &mut branches, key);
        self.separate(&mut branches, key);
        self.name_apart_inline(&mut branches);
        for branch in &mut branches {
            branch.ty = if branch.is_component {
                self.component(&branch.name).ty
            } else {
                let place = format!("{key}|{}", branch.name);
                let inline = self.words_at(&place, inline_words(own_words, &branch.name));
                self.lower(&branch.schema, &place, &inline).ty
            };
        }
        let late = self.without_tag(&branches, &tag, &rule);
        let first = union.variants.len();
        let mut tried: Vec<_> = branches.iter().enumerate().collect();
        tried.sort_by_key(|(_, branch)| branch.rank);
        for (index, branch) in tried {
            for value in &branch.values {
                let ways = branch.ways.iter().map(|way| (value.clone(), way.clone(), first + index));
                union.tagged.extend(ways);
            }
        }
        union.tagged.sort_by(|one, two| one.0.cmp(&two.0));
        union.objects = late.into_iter().map(|(conditions, index)| (conditions, first + index)).collect();
        union.tag = tag;
        union.variants.extend(branches.into_iter().map(|branch| Variant {
            rust: String::new(),
            ty: branch.ty,
            tags: branch.values,
            boxed: false,
        }));
    }

    /// Applies what the overlay says about the branches.
    fn apply(&mut self, rule: &Rule, branches: &mut Vec<Branch>, key: &str) {
        for name in &rule.drop {
            match branches.iter().filter(|branch| branch.name == *name).count() {
                0 => self.note(key, format!("overlay/unions.yaml drops a branch `{name}`, which is not there")),
                1 => branches.retain(|branch| branch.name != *name),
                count => self.problem(
                    key,
                    format!(
                        "overlay/unions.yaml drops `{name}`, which is the name of {count} branches; name the one that \
                         stays with `extract` in overlay/spec.yaml"
                    ),
                ),
            }
        }
        for branch in branches.iter_mut() {
            if let Some((rank, conditions)) = Rule::find(&rule.order, &branch.name) {
                branch.ruled = true;
                branch.rank = rank;
                branch.ways = vec![conditions];
            }
        }
        for entry in rule.order.iter().chain(&rule.missing) {
            let name = entry.text_of("branch").unwrap_or_default();
            if !branches.iter().any(|branch| branch.name == name) {
                self.note(key, format!("overlay/unions.yaml has a branch `{name}`, which does not exist"));
            }
            if let Some(wrong) = entry.texts_of("when").into_iter().find(|text| condition(text).is_none()) {
                self.problem(key, format!("overlay/unions.yaml: `{wrong}` is not a condition"));
            }
        }
    }

    /// The branches without those that say what another one says.
    fn distinct_branches(&self, merged: Vec<(&Node, Object)>, tag: &str, mapping: &[(String, Node)]) -> Vec<Branch> {
        let mut branches: Vec<Branch> = Vec::new();
        for (schema, object) in merged {
            let component = branch_reference(schema);
            let property = object.property(tag);
            let mut values = property.map(|property| self.tag_values(&property.schema)).unwrap_or_default();
            if values.is_empty() && property.is_some() {
                let leads = |target: &Node| target.text().map(Self::target) == component && component.is_some();
                values = mapping.iter().filter(|(_, target)| leads(target)).map(|(value, _)| value.clone()).collect();
            }
            let name = component.map_or_else(|| branch_key(&object, &values), str::to_owned);
            let new = Branch {
                name,
                is_component: component.is_some(),
                ty: Ty::Json,
                object,
                schema: schema.clone(),
                values,
                ruled: false,
                ways: vec![Vec::new()],
                rank: usize::MAX,
            };
            let free = |branch: &Branch| branch.object.properties.is_empty();
            let same = |other: &Branch| {
                // Any object is any object.
                let alike = free(other) && free(&new)
                    || other.object.properties.len() == new.object.properties.len()
                        && self.same_schema(&other.schema, &new.schema);
                alike && other.values == new.values && other.object.value_schema() == new.object.value_schema()
            };
            match branches.iter_mut().find(|other| same(other)) {
                Some(other) if new.goes_before(other) => *other = new,
                Some(_) => {}
                None => branches.push(new),
            }
        }
        branches
    }

    /// Inline branches of the same name get what only they have into it: a member, or the value of one.
    fn name_apart_inline(&self, branches: &mut [Branch]) {
        let names: Vec<String> = branches.iter().map(|branch| branch.name.clone()).collect();
        let signs: Vec<Vec<String>> = branches.iter().map(|branch| self.signs(&branch.object)).collect();
        for (at, branch) in branches.iter_mut().enumerate().filter(|(_, branch)| !branch.is_component) {
            let namesakes: Vec<usize> =
                (0..names.len()).filter(|other| *other != at && names.get(*other) == Some(&branch.name)).collect();
            let mut own: Vec<&String> = Vec::new();
            for other in namesakes.into_iter().filter_map(|other| signs.get(other)) {
                let sign = signs.get(at).into_iter().flatten().find(|sign| !other.contains(sign));
                own.extend(sign.filter(|sign| !own.contains(sign)));
            }
            for sign in own {
                branch.name = format!("{}_{sign}", branch.name);
            }
        }
    }

    /// What distinguishes an object from others: its required members, the values of those that have one, its other members.
    fn signs(&self, object: &Object) -> Vec<String> {
        let required = |name: &str| object.required.contains(name);
        let mut properties: Vec<_> = object.properties.iter().collect();
        properties.sort_by_key(|property| (!required(&property.name), &property.name));
        let names = properties.iter().map(|property| property.name.clone());
        let values = properties.iter().flat_map(|property| self.tag_values(&property.schema));
        names.chain(values).collect()
    }

    /// The branches of objects that have no tag, or one that is not known, in the order they are tried.
    fn without_tag(&self, branches: &[Branch], tag: &str, rule: &Rule) -> Vec<(Vec<Condition>, usize)> {
        let lacks = || Condition::Lacks(tag.to_owned());
        let optional: Vec<usize> = (0..branches.len())
            .filter(|index| branches.get(*index).is_some_and(|branch| branch.tag_is_optional(tag)))
            .collect();
        let mut late = Vec::new();
        if rule.missing.is_empty()
            && let Some(decided) = self.tell_apart(branches, &optional)
        {
            for (index, ways) in decided {
                late.extend(ways.into_iter().map(|way| (way.into_iter().chain([lacks()]).collect(), index)));
            }
        }
        let mut tried: Vec<_> = branches.iter().enumerate().collect();
        tried.sort_by_key(|(_, branch)| branch.rank);
        for (index, branch) in tried {
            if let Some((_, conditions)) = Rule::find(&rule.missing, &branch.name) {
                late.push((conditions.into_iter().chain([lacks()]).collect(), index));
            } else if branch.values.is_empty() {
                for way in &branch.ways {
                    let mut way = way.clone();
                    if way.is_empty() && branch.object.required.contains(tag) {
                        way.push(Condition::Has(tag.to_owned()));
                    } else if way.is_empty() && !tag.is_empty() {
                        way.extend(self.constants(&branch.object));
                    }
                    late.push((way, index));
                }
            }
        }
        // Those that ask for more are tried first.
        late.sort_by_key(|(conditions, _): &(Vec<Condition>, usize)| std::cmp::Reverse(conditions.len()));
        late
    }

    /// What the required members with one value say.
    fn constants(&self, object: &Object) -> Vec<Condition> {
        let required = object.properties.iter().filter(|property| object.required.contains(&property.name));
        let constant = |property: &Property| match self.tag_values(&property.schema).as_slice() {
            [value] => Some(Condition::Is(property.name.clone(), value.clone())),
            _ => None,
        };
        required.filter_map(constant).collect()
    }

    /// Finds conditions for branches that share a value of the tag, or have none.
    fn separate(&mut self, branches: &mut Vec<Branch>, key: &str) {
        let mut superfluous = BTreeSet::new();
        for group in groups(branches) {
            if group.iter().filter_map(|index| branches.get(*index)).all(|branch| branch.ruled) {
                continue;
            }
            // A branch whose members another branch has too, of the same types, needs no place of its own.
            let mut smallest = group.clone();
            smallest.sort_by_key(|index| {
                branches.get(*index).map(|branch| (branch.is_component, std::cmp::Reverse(branch.name.clone())))
            });
            let mut left = group.clone();
            for small in smallest {
                let covers = |large: &usize| *large != small && self.covers(branches, *large, small);
                let ruled = branches.get(small).is_some_and(|branch| branch.ruled);
                if !ruled && left.iter().any(covers) {
                    superfluous.insert(small);
                    left.retain(|index| *index != small);
                }
            }
            match self.tell_apart(branches, &left) {
                Some(decided) => {
                    for (rank, (index, ways)) in decided.into_iter().enumerate() {
                        if let Some(branch) = branches.get_mut(index).filter(|branch| !branch.ruled) {
                            branch.ways = ways;
                            branch.rank = branch.rank.min(rank);
                        }
                    }
                }
                None => {
                    let names: Vec<_> =
                        left.iter().filter_map(|index| branches.get(*index)).map(|b| &*b.name).collect();
                    self.undecided(key, &format!("branches {} look alike", names.join(", ")));
                }
            }
        }
        for index in superfluous.into_iter().rev() {
            branches.remove(index);
        }
    }

    fn undecided(&mut self, key: &str, why: &str) {
        let text = format!(
            "{key}: {why}, and nothing determines which one a value is; add to overlay/unions.yaml: `{key}: {{order: [{{branch: \
             NAME, when: [has MEMBER]}}, {{branch: OTHER}}]}}`, or `drop: [NAME]`"
        );
        self.unreadable.push((key.to_owned(), text));
    }

    /// The order in which branches are tried, and their conditions; `None` if a value could be of two of them.
    fn tell_apart(&self, branches: &[Branch], group: &[usize]) -> Option<Vec<(usize, Vec<Vec<Condition>>)>> {
        let of = |index: &usize| branches.get(*index).map(|branch| (*index, branch));
        let group: Vec<(usize, &Branch)> = group.iter().filter_map(of).collect();
        if let [(index, _)] = group.as_slice() {
            return Some(vec![(*index, vec![Vec::new()])]);
        }
        by_own_required_member(&group)
            .or_else(|| self.by_second_tag(&group))
            .or_else(|| self.by_required_members(&group))
            .or_else(|| self.by_own_members(&group))
    }

    /// By a member that has a value of its own in each branch.
    fn by_second_tag(&self, group: &[(usize, &Branch)]) -> Option<Vec<(usize, Vec<Vec<Condition>>)>> {
        let (_, first) = group.first()?;
        first.object.required.iter().find_map(|member| {
            let mut seen = BTreeSet::new();
            let mut decided = Vec::new();
            for (index, branch) in group {
                let property = branch.object.property(member).filter(|_| branch.object.required.contains(member))?;
                let values = self.tag_values(&property.schema);
                if values.is_empty() || !values.iter().all(|value| seen.insert(value.clone())) {
                    return None;
                }
                let ways = values.into_iter().map(|value| vec![Condition::Is(member.clone(), value)]);
                decided.push((*index, ways.collect()));
            }
            Some(decided)
        })
    }

    /// By all required members: a branch is tried before those whose values cannot have all that it requires, and before
    /// those that require less.
    fn by_required_members(&self, group: &[(usize, &Branch)]) -> Option<Vec<(usize, Vec<Vec<Condition>>)>> {
        let asked: Vec<Vec<Condition>> = group.iter().map(|(_, branch)| self.asked(branch, group)).collect();
        let before = |one: usize, two: usize| {
            let (Some(own), Some(others), Some((_, other))) = (asked.get(one), asked.get(two), group.get(two)) else {
                return false;
            };
            own.iter().any(|condition| !self.may_hold(condition, other))
                || (own.len() > others.len() && others.iter().all(|condition| own.contains(condition)))
        };
        let mut left: Vec<usize> = (0..group.len()).collect();
        left.sort_by_key(|at| group.get(*at).map(|(_, branch)| &branch.name));
        let mut decided = Vec::new();
        while !left.is_empty() {
            let next = *left.iter().find(|one| left.iter().all(|two| one == &two || before(**one, *two)))?;
            left.retain(|at| *at != next);
            decided.push((group.get(next)?.0, vec![asked.get(next)?.clone()]));
        }
        Some(decided)
    }

    /// What an object of this branch has and not every object of the group must have.
    fn asked(&self, branch: &Branch, group: &[(usize, &Branch)]) -> Vec<Condition> {
        let condition = |member: &String| {
            let values = branch.object.property(member).map(|property| self.tag_values(&property.schema));
            match values.as_deref() {
                Some([value]) => Condition::Is(member.clone(), value.clone()),
                _ => Condition::Has(member.clone()),
            }
        };
        let common = |condition: &Condition| {
            group.iter().all(|(_, other)| match condition {
                Condition::Has(member) => other.object.required.contains(member),
                Condition::Is(member, value) => {
                    other.object.required.contains(member)
                        && other.object.property(member).map(|own| self.tag_values(&own.schema)).unwrap_or_default()
                            == [value.clone()]
                }
                Condition::Lacks(_) => false,
            })
        };
        branch.object.required.iter().map(condition).filter(|condition| !common(condition)).collect()
    }

    /// Whether the condition may be true of an object of this branch.
    fn may_hold(&self, condition: &Condition, branch: &Branch) -> bool {
        match condition {
            Condition::Has(member) => branch.object.property(member).is_some(),
            Condition::Lacks(member) => !branch.object.required.contains(member),
            Condition::Is(member, value) => branch
                .object
                .property(member)
                .is_some_and(|property| self.texts(&property.schema).is_none_or(|texts| texts.contains(value))),
        }
    }

    /// By members that one branch alone has, though it does not require them. One branch may have none: it gets the
    /// objects with none of them, which are the same in all branches.
    fn by_own_members(&self, group: &[(usize, &Branch)]) -> Option<Vec<(usize, Vec<Vec<Condition>>)>> {
        let own = |at: usize, branch: &Branch| -> Vec<Vec<Condition>> {
            let foreign = |name: &str| group.iter().any(|(other, b)| *other != at && b.object.property(name).is_some());
            let mine = branch.object.properties.iter().filter(|property| !foreign(&property.name));
            let mut names: Vec<_> = mine.map(|property| property.name.clone()).collect();
            names.sort();
            names.into_iter().map(|name| vec![Condition::Has(name)]).collect()
        };
        let mut decided: Vec<_> = group.iter().map(|(at, branch)| (*at, own(*at, branch))).collect();
        decided.sort_by_key(|(_, ways)| ways.is_empty());
        let (rest, others) = decided.split_last_mut()?;
        if others.iter().any(|(_, ways)| ways.is_empty()) {
            return None;
        }
        let of = |at: usize| group.iter().find(|(index, _)| *index == at).map(|(_, branch)| *branch);
        let last = of(rest.0)?;
        let alike = others.iter().filter_map(|(at, _)| of(*at)).all(|branch| {
            branch.object.properties.iter().all(|property| {
                last.object.property(&property.name).is_none_or(|own| self.same_schema(&own.schema, &property.schema))
            })
        });
        rest.1 = vec![Vec::new()];
        alike.then_some(decided)
    }

    /// Whether every member of branch `small` is a member of branch `large` too, of the same type.
    fn covers(&self, branches: &[Branch], large: usize, small: usize) -> bool {
        let (Some(large), Some(small)) = (branches.get(large), branches.get(small)) else { return false };
        !small.object.properties.is_empty()
            && small.object.properties.iter().all(|property| {
                let other = large.object.property(&property.name);
                other.is_some_and(|other| self.fits(&property.schema, &other.schema, 0))
            })
    }

    /// Whether a value of schema `small` is one of schema `large`, as far as that is plain.
    fn fits(&self, small: &Node, large: &Node, depth: usize) -> bool {
        if depth > 12 {
            return false;
        }
        let resolved = |schema: &Node| -> Node {
            branch_reference(schema).and_then(|name| self.schema(name)).unwrap_or(schema).without_prose()
        };
        let (small, large) = (resolved(small), resolved(large));
        let branches = |schema: &Node| schema.get("oneOf").or(schema.get("anyOf")).map(|list| list.elements().to_vec());
        if self.same_schema(&small, &large) {
            return true;
        }
        if let Some(several) = branches(&small) {
            return several.iter().all(|one| self.fits(one, &large, depth + 1));
        }
        if let Some(several) = branches(&large) {
            return several.iter().any(|one| self.fits(&small, one, depth + 1));
        }
        let (small_types, small_null) = types(&small);
        let (large_types, large_null) = types(&large);
        if small_types != large_types || small_types.len() != 1 || (small_null && !large_null) {
            return false;
        }
        match (small.get("enum").map(Node::elements), large.get("enum").map(Node::elements)) {
            (Some(few), Some(many)) => return few.iter().all(|value| many.contains(value)),
            (None, Some(_)) => return false,
            (_, None) => {}
        }
        match (small.get("items"), large.get("items")) {
            (Some(small), Some(large)) => return self.fits(small, large, depth + 1),
            (None, Some(_)) => return false,
            (_, None) => {}
        }
        let properties = |schema: &Node| schema.get("properties").map_or(&[][..], Node::members).to_vec();
        let large_properties = properties(&large);
        let fits = |(name, small): &(String, Node)| {
            let other = large_properties.iter().find(|(other, _)| other == name);
            other.is_some_and(|(_, large)| self.fits(small, large, depth + 1))
        };
        let needed = large.texts_of("required");
        small.get("allOf").is_none()
            && large.get("allOf").is_none()
            && properties(&small).iter().all(fits)
            && needed.iter().all(|name| small.texts_of("required").contains(name))
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

    /// The texts a tag may be; none if it may be any text.
    fn tag_values(&self, schema: &Node) -> Vec<String> {
        self.texts(schema).unwrap_or_default()
    }

    /// The texts that a schema allows, through references and combined schemas; `None` if it does not list them.
    pub(crate) fn texts(&self, schema: &Node) -> Option<Vec<String>> {
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let target = schema.text_of("$ref").and_then(|reference| self.schema(Self::target(reference)));
        let mut limits: Vec<Vec<String>> = target.and_then(|target| self.texts(target)).into_iter().collect();
        limits.extend(schema.get("const").map(|value| owned(value.text().into_iter().collect())));
        limits.extend(schema.get("enum").map(|_| owned(schema.texts_of("enum"))));
        if schema.get("type").is_some() && !types(schema).0.contains(&"string") {
            limits.push(Vec::new());
        }
        let parts = schema.get("allOf").map_or(&[][..], Node::elements);
        limits.extend(parts.iter().filter_map(|part| self.texts(part)));
        for several in ["oneOf", "anyOf"].iter().filter_map(|keyword| schema.get(keyword)) {
            let branches: Option<Vec<_>> = several.elements().iter().map(|branch| self.texts(branch)).collect();
            let mut seen = BTreeSet::new();
            let listed = branches.map(|texts| texts.concat().into_iter().filter(|text| seen.insert(text.clone())));
            limits.extend(listed.map(Iterator::collect));
        }
        limits.into_iter().reduce(|mut allowed, limit| {
            allowed.retain(|text| limit.contains(text));
            allowed
        })
    }

    /// The member that distinguishes most of the branches.
    fn usual_tag(&self, branches: &[(&Node, Object)]) -> Option<String> {
        let telling = |tag: &str| {
            let values = branches.iter().filter_map(|(_, object)| object.property(tag));
            values.filter(|property| !self.tag_values(&property.schema).is_empty()).count()
        };
        let others: BTreeSet<&str> =
            branches.iter().flat_map(|(_, object)| &object.properties).map(|property| &*property.name).collect();
        let others = others.into_iter().filter(|name| !TAGS.contains(name));
        let constants = |name: &&str| {
            let values = branches.iter().filter_map(|(_, object)| object.property(name));
            values.filter(|property| constant(&property.schema).is_some()).count() > 0
        };
        let candidates: Vec<&str> = TAGS.iter().copied().chain(others).filter(constants).collect();
        let best = candidates.iter().map(|tag| telling(tag)).max()?;
        candidates.into_iter().find(|tag| telling(tag) == best).map(str::to_owned)
    }
}

impl Branch {
    fn tag_is_optional(&self, tag: &str) -> bool {
        !self.values.is_empty() && !self.object.required.contains(tag)
    }

    /// Of two equal branches the component is kept, or the first by name.
    fn goes_before(&self, other: &Self) -> bool {
        (!self.is_component, &self.name) < (!other.is_component, &other.name)
    }
}

/// Branches that share a value of the tag, or have none, together.
fn groups(branches: &[Branch]) -> Vec<Vec<usize>> {
    let together = |one: &Branch, two: &Branch| {
        (one.values.is_empty() && two.values.is_empty()) || one.values.iter().any(|value| two.values.contains(value))
    };
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, branch) in branches.iter().enumerate() {
        let joins = |group: &Vec<usize>| {
            group.iter().filter_map(|other| branches.get(*other)).any(|other| together(other, branch))
        };
        let (joined, mut apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(joins);
        apart.push(joined.into_iter().flatten().chain([index]).collect());
        groups = apart;
    }
    groups.retain(|group| group.len() > 1);
    groups
}

/// By a required member that no other branch has. One branch may have none.
fn by_own_required_member(group: &[(usize, &Branch)]) -> Option<Vec<(usize, Vec<Vec<Condition>>)>> {
    let own = |at: usize, branch: &Branch| {
        let foreign = |name: &str| group.iter().any(|(other, b)| *other != at && b.object.property(name).is_some());
        branch.object.required.iter().find(|name| branch.object.property(name).is_some() && !foreign(name)).cloned()
    };
    let mut decided: Vec<_> = group.iter().map(|(at, branch)| (*at, own(*at, branch))).collect();
    if decided.iter().filter(|(_, name)| name.is_none()).count() > 1 {
        return None;
    }
    decided.sort_by_key(|(_, name)| name.is_none());
    Some(decided.into_iter().map(|(at, name)| (at, vec![name.map(Condition::Has).into_iter().collect()])).collect())
}

/// The component a branch is, also when it is wrapped in an `allOf` that adds nothing.
pub(crate) fn branch_reference(branch: &Node) -> Option<&str> {
    let wrapped = || match Lowering::telling_parts(branch).as_slice() {
        [only] if branch.get("properties").is_none() => only.text_of("$ref"),
        _ => None,
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
    let mut names: Vec<&str> = object.properties.iter().map(|property| &*property.name).collect();
    names.sort_unstable();
    let first = names.iter().find(|name| object.required.contains(**name)).or(names.first());
    constants.or(first.copied()).unwrap_or("object").to_owned()
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
