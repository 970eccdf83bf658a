//! From a name in a module to the item it means, through `use` declarations.

use super::source::{Crate, ModulePath, named};
use std::collections::BTreeSet;
use syn::{Item, UseTree, Visibility};

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// An item of this crate: the module that declares it, and its name there.
    Item(ModulePath, String),
    Module(ModulePath),
    /// Something of another crate, or a name that no declaration explains (a macro may have made it).
    Other(Vec<String>),
}

/// One name that a `use` brings into a module.
pub(super) struct Import<'a> {
    pub(super) visibility: &'a Visibility,
    /// The name in the module; `None` for a glob.
    pub(super) alias: Option<String>,
    pub(super) path: Vec<String>,
}

/// All names that `item` brings in, if it is a `use`.
pub(super) fn imports(item: &Item) -> Vec<Import<'_>> {
    let mut found = Vec::new();
    if let Item::Use(declaration) = item {
        flatten(&declaration.tree, Vec::new(), &mut |alias, path| {
            found.push(Import {
                visibility: &declaration.vis,
                alias,
                path,
            });
        });
    }
    found
}

fn flatten(
    tree: &UseTree,
    mut path: Vec<String>,
    found: &mut dyn FnMut(Option<String>, Vec<String>),
) {
    match tree {
        UseTree::Path(step) => {
            path.push(step.ident.to_string());
            flatten(&step.tree, path, found);
        }
        UseTree::Name(name) if name.ident == "self" => found(path.last().cloned(), path),
        UseTree::Name(name) => {
            path.push(name.ident.to_string());
            found(Some(name.ident.to_string()), path);
        }
        UseTree::Rename(rename) => {
            if rename.ident != "self" {
                path.push(rename.ident.to_string());
            }
            found(Some(rename.rename.to_string()), path);
        }
        UseTree::Glob(_) => found(None, path),
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, path.clone(), found);
            }
        }
    }
}

impl Crate {
    /// What `path`, written in module `from`, leads to.
    pub(super) fn resolve(&self, from: &ModulePath, path: &[String]) -> Target {
        self.follow(from, path, &mut BTreeSet::new())
    }

    fn follow(
        &self,
        from: &ModulePath,
        path: &[String],
        seen: &mut BTreeSet<(ModulePath, String, bool)>,
    ) -> Target {
        let other = || Target::Other(path.to_vec());
        let mut at = from.clone();
        let mut started = false;
        for (index, name) in path.iter().enumerate() {
            match name.as_str() {
                "crate" => at = Vec::new(),
                "self" => {}
                "super" => _ = at.pop(),
                name => {
                    let last = index + 1 == path.len();
                    match self.look_up(&at, name, !last, seen) {
                        Some(Target::Module(module)) => at = module,
                        Some(item) if last => return item,
                        Some(Target::Other(mut start)) => {
                            start.extend_from_slice(&path[index + 1..]);
                            return Target::Other(start);
                        }
                        // Inside a module of ours the name is ours, though a macro must have made it.
                        _ if last && started => return Target::Item(at, name.to_owned()),
                        _ => return other(),
                    }
                }
            }
            started = true;
        }
        match started {
            true => Target::Module(at),
            false => other(),
        }
    }

    /// The meaning of one name in one module. `as_module`: more of the path follows.
    fn look_up(
        &self,
        module: &ModulePath,
        name: &str,
        as_module: bool,
        seen: &mut BTreeSet<(ModulePath, String, bool)>,
    ) -> Option<Target> {
        // A name may import itself from a crate of the same name; the second look finds nothing.
        if !seen.insert((module.clone(), name.to_owned(), as_module)) {
            return None;
        }
        let items = self.modules.get(module)?;
        let mut child = module.clone();
        child.push(name.to_owned());
        let child = self
            .modules
            .contains_key(&child)
            .then_some(Target::Module(child));
        let declared = items
            .iter()
            .filter_map(named)
            .any(|(declared, _)| declared == name)
            || items.iter().any(|item| self.macro_makes(item, name));
        let declared = declared.then(|| Target::Item(module.clone(), name.to_owned()));
        let here = if as_module {
            child.clone().or(declared)
        } else {
            declared
        };
        if here.is_some() {
            return here;
        }
        let imports: Vec<Import<'_>> = items.iter().flat_map(imports).collect();
        for import in imports.iter().filter(|i| i.alias.as_deref() == Some(name)) {
            let target = self.follow(module, &import.path, seen);
            if !as_module || !matches!(target, Target::Item(..)) {
                return Some(target);
            }
        }
        if child.is_some() {
            return child;
        }
        let globs = imports.iter().filter(|i| i.alias.is_none());
        for glob in globs {
            if let Target::Module(from) = self.follow(module, &glob.path, seen) {
                let found = self.look_up(&from, name, as_module, seen);
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }
}
