//! Days of the Gregorian calendar as numbers: those since 1970-01-01.

use super::walk::{DAY, LAST_WALL, Wall, day_of};
use crate::{Date, LocalDateTime, Time};

/// The first second of the year 0.
const FIRST_WALL: Wall = -62_167_219_200;

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i32 = 719_468;

/// Days of 400 years, after which the calendar repeats.
const CYCLE: i32 = 146_097;

/// The number of a day.
pub(crate) fn day_number(year: i32, month: u8, day: u8) -> i32 {
    // Years from March on, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let of_cycle = year.rem_euclid(400);
    let month = (i32::from(month) + 9) % 12;
    let of_year = (153 * month + 2) / 5 + i32::from(day) - 1;
    year.div_euclid(400) * CYCLE + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year - EPOCH
}

/// The year, month and day of a number.
pub(crate) fn year_month_day(day: i32) -> (i32, u8, u8) {
    let day = day.saturating_add(EPOCH);
    let of_cycle = day.rem_euclid(CYCLE);
    let year = (of_cycle - of_cycle / 1460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * march + 2) / 5 + 1;
    let month = (march + 2) % 12 + 1;
    let year = day.div_euclid(CYCLE) * 400 + year + i32::from(month <= 2);
    // Within 1 to 12 and 1 to 31 by the arithmetic above.
    (year, u8::try_from(month).unwrap_or(1), u8::try_from(day_of_month).unwrap_or(1))
}

pub(crate) fn first_of_month(year: i32, month: u8) -> i32 {
    day_number(year, month, 1)
}

pub(crate) fn first_of_year(year: i32) -> i32 {
    day_number(year, 1, 1)
}

pub(crate) fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub(crate) fn days_in_year(year: i32) -> u16 {
    if is_leap(year) { 366 } else { 365 }
}

/// What the clocks show, in seconds; a leap second is the one before it.
pub(crate) fn wall_of(local: LocalDateTime) -> Wall {
    let (hour, minute, second) = (local.time.hour(), local.time.minute(), local.time.second().min(59));
    wall_of_day(local.date) + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)
}

pub(crate) fn wall_of_day(date: Date) -> Wall {
    i64::from(day_number(date.year().into(), date.month(), date.day())) * DAY
}

/// What the clocks show at `wall`, or the nearest that can be written.
pub(crate) fn local_of(wall: Wall) -> LocalDateTime {
    let wall = wall.clamp(FIRST_WALL, LAST_WALL);
    let (year, month, day) = year_month_day(day_of(wall));
    let second = wall.rem_euclid(DAY);
    let part = |n: i64| u8::try_from(n).unwrap_or(0);
    let date = u16::try_from(year).ok().and_then(|year| Date::new(year, month, day).ok());
    let time = Time::new(part(second / 3600), part(second / 60 % 60), part(second % 60)).ok();
    // The wall is of the years 0 to 9999, so both are there.
    LocalDateTime { date: date.unwrap_or(Date::EPOCH), time: time.unwrap_or(Time::MIDNIGHT) }
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_one_by_one() {
        let mut number = day_number(0, 1, 1);
        for year in 0..=2500 {
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month) {
                    assert_eq!(day_number(year, month, day), number);
                    assert_eq!(year_month_day(number), (year, month, day));
                    number += 1;
                }
            }
            assert_eq!(first_of_year(year) + i32::from(days_in_year(year)), number);
        }
        assert_eq!(day_number(1970, 1, 1), 0);
        assert_eq!(day_number(9999, 12, 31), 2_932_896);
    }
}
