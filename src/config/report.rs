//! The table that `check-config` prints.

use std::fmt;

use super::layers::Values;

/// The effective values with their origins, aligned, secrets masked.
impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["VARIABLE", "VALUE", "FROM"].map(str::to_owned);
        let rows: Vec<[String; 3]> = std::iter::once(header)
            .chain(self.given().iter().map(|given| {
                let overridden = given.overridden_by.map(|by| format!(", overridden by {by}")).unwrap_or_default();
                let moot = given.no_effect.map(|reason| format!(", no effect {reason}")).unwrap_or_default();
                let value = given.variable.visibility.show(&given.text);
                [given.variable.name.to_owned(), value, format!("{}{overridden}{moot}", given.origin)]
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
