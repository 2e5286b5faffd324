//! Recurrence: what rules say, and the instances that come of them. RFC 5545 §3.8.5.

mod days;
mod rule;
mod series;
mod timing;
mod walk;

pub(crate) use days::{
    day_number, days_in_month, first_of_year, local_of, wall_of, wall_of_day, year_month_day,
};
pub use rule::{ByDay, Frequency, Rule, RuleEnd, Skip, Weekday};
pub use series::{Bounds, Expansion, Instance, Series, Span};
pub(crate) use walk::{Budget, Walk, Wall};

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
