//! The settings as people read them: the table of `check-config`, `--help`, docs/configuration.md and
//! hotshelf.example.toml.

use std::fmt;

use super::definition::Definition;
use super::settings::ALL;
use super::sources::Values;

/// The effective values with their origins, aligned, secrets masked.
impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["VARIABLE", "VALUE", "FROM"].map(str::to_owned);
        let rows: Vec<[String; 3]> = std::iter::once(header)
            .chain(self.given().iter().map(|given| {
                let overridden = given.overridden_by.map(|by| format!(", overridden by {by}")).unwrap_or_default();
                let no_effect = given.no_effect.map(|reason| format!(", no effect {reason}")).unwrap_or_default();
                let value = given.definition.visibility.show(&given.text);
                [given.definition.name(), value, format!("{}{overridden}{no_effect}", given.origin)]
            }))
            .collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let (name_width, value_width) = (width(0), width(1));
        for [name, value, origin] in &rows {
            writeln!(f, "{name:name_width$}  {value:value_width$}  {origin}")?;
        }
        Ok(())
    }
}

/// The variables with meaning and default, for `--help`.
pub(crate) fn help() -> String {
    let width = ALL.iter().map(|definition| definition.key.len()).max().unwrap_or_default();
    let mut text = "Environment variables, which win over hotshelf.toml in the working directory (or the file that\n\
                    HOTSHELF_CONFIG names), where the keys are the same names in lower case:\n"
        .to_owned();
    for definition in ALL {
        let summary = definition.meaning[0].trim().trim_end_matches('.');
        text += &format!("  {:width$}  {summary}", definition.name());
        text += &if definition.default.is_empty() {
            "\n".to_owned()
        } else {
            format!(" [default: {}]\n", definition.default)
        };
    }
    text + "\n`hotshelf check-config` prints the effective values."
}

/// docs/configuration.md.
pub(crate) fn markdown() -> String {
    let mut page = "# Configuration\n\n\
        All settings, for those who run the service. `hotshelf config --markdown` prints this page.\n\n\
        Environment variables win over `hotshelf.toml` in the working directory (or the file that `HOTSHELF_CONFIG`\n\
        names), which wins over the defaults. In the file, the keys are the same names in lower case;\n\
        [hotshelf.example.toml](../hotshelf.example.toml) has them all. A bad value or an unknown key stops the start\n\
        with one line that names it. `hotshelf check-config` prints the effective values and where each comes from,\n\
        with secrets masked. Durations are written as `100ms`, `90s`, `5m` or `1h30m`.\n"
        .to_owned();
    for section in sections() {
        page += &format!("\n## {}\n\n| variable | default | meaning |\n|---|---|---|\n", section[0].section);
        for definition in section {
            let default = match definition.default {
                "" => "(empty)".to_owned(),
                text => format!("`{text}`"),
            };
            let see = if definition.see.is_empty() { String::new() } else { format!(" [More]({})", definition.see) };
            page += &format!("| `{}` | {default} | {}{see} |\n", definition.name(), sentences(definition));
        }
    }
    page
}

/// hotshelf.example.toml.
pub(crate) fn example() -> String {
    let mut file = wrap(
        "All settings of hotshelf, each with its default. Copy this file to hotshelf.toml in the working directory of \
         the service (or name it by HOTSHELF_CONFIG), and remove the # from the lines that you change. `hotshelf config` \
         prints this file.",
    );
    file += "#\n";
    file += &wrap(
        "An environment variable of the same name in capitals wins over the file. `hotshelf check-config` prints the \
         effective values. Durations are written as \"100ms\", \"90s\", \"5m\" or \"1h30m\".",
    );
    for section in sections() {
        let heading = section[0].section;
        file += &format!("\n# --- {heading} {}\n", "-".repeat(112 - heading.len()));
        for definition in section {
            let see = if definition.see.is_empty() { String::new() } else { format!(" See docs/{}", definition.see) };
            let bare = definition.default.parse::<i64>().is_ok() || definition.default.parse::<bool>().is_ok();
            let value = if bare { definition.default.to_owned() } else { format!("{:?}", definition.default) };
            let meaning = wrap(&(sentences(definition) + &see));
            file += &format!("\n{meaning}#{} = {value}\n", definition.key);
        }
    }
    file
}

/// The definitions under each heading. None is empty.
fn sections() -> impl Iterator<Item = &'static [Definition]> {
    ALL.chunk_by(|one, next| one.section == next.section)
}

fn sentences(definition: &Definition) -> String {
    format!("{} Takes {}.", definition.meaning.concat().trim(), definition.expected)
}

/// Comment lines of up to 120 columns.
fn wrap(text: &str) -> String {
    let (mut lines, mut column) = (String::new(), usize::MAX);
    for word in text.split(' ') {
        let width = word.chars().count() + 1;
        if column.saturating_add(width) > 120 {
            lines += if lines.is_empty() { "#" } else { "\n#" };
            column = 1;
        }
        lines += " ";
        lines += word;
        column += width;
    }
    lines + "\n"
}
