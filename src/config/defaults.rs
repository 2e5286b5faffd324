//! The reference of all settings, held to the structs by its tests.

/// Every setting with its default and its meaning, as TOML that is itself a configuration equal to
/// the defaults. Settings without a default stand behind a `#` without space.
pub const DEFAULTS: &str = include_str!("defaults.toml");

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::DEFAULTS;
    use crate::config::Config;

    /// Printed, the defaults are what the server uses, and none is missing.
    #[test]
    fn the_printed_defaults_are_the_defaults() {
        let parsed = Config::parse(DEFAULTS, Path::new("defaults.toml")).unwrap();
        assert_eq!(parsed, Config::default());

        let printed: toml::Table = toml::from_str(DEFAULTS).unwrap();
        let held = toml::Table::try_from(Config::default()).unwrap();
        assert_eq!(printed, held, "defaults.toml lacks a setting");
    }

    /// Settings without a default are shown too, under names that exist.
    #[test]
    fn settings_without_a_default_are_shown() {
        let all = DEFAULTS
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if setting.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => setting,
                _ => line,
            })
            .collect::<Vec<_>>()
            .join("\n");
        let config = Config::parse(&all, Path::new("defaults.toml")).unwrap();
        let debug = format!("{config:?}").replace("tls: None", "");
        assert!(!debug.contains("None"), "defaults.toml does not show a setting: {debug}");
    }
}
