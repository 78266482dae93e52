//! Times of the week: `schedule office = mon..fri 08:00..19:00 Europe/Berlin`.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

/// A recurring part of the week in one time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Its name.
    pub name: Arc<str>,
    /// Whether each day, Monday first, belongs to it.
    pub days: [bool; 7],
    /// Minutes after midnight: from the first up to, but without, the second. A second that is not
    /// after the first lies on the next day, and the day is the one on which it began.
    pub hours: (u16, u16),
    /// Where the clock hangs.
    pub zone: TimeZone,
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.days == other.days
            && self.hours == other.hours
            && self.zone.iana_name() == other.zone.iana_name()
    }
}

/// The names of the days, Monday first.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Schedule {
    /// Whether the instant lies in it.
    pub fn contains(&self, instant: Timestamp) -> bool {
        let local = self.zone.to_datetime(instant);
        let minute = local.hour() as u16 * 60 + local.minute() as u16;
        let today = weekday_index(local.weekday());
        let (from, to) = self.hours;
        if from < to {
            return self.days[today] && (from..to).contains(&minute);
        }
        let yesterday = (today + 6) % 7;
        (self.days[today] && minute >= from) || (self.days[yesterday] && minute < to)
    }
}

/// Monday is 0.
pub fn weekday_index(day: Weekday) -> usize {
    day.to_monday_zero_offset() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedule(hours: (u16, u16)) -> Schedule {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        Schedule {
            name: "s".into(),
            days: [true, true, true, true, true, false, false],
            hours,
            zone,
        }
    }

    #[test]
    fn office_hours_follow_the_zone_and_its_summer_time() {
        let office = schedule((9 * 60, 18 * 60));
        assert!(office.contains(at("2026-07-01T07:00:00Z"))); // 09:00 in summer
        assert!(!office.contains(at("2026-01-07T07:59:00Z"))); // 08:59 in winter
        assert!(!office.contains(at("2026-07-04T10:00:00Z"))); // a Saturday
        assert!(!office.contains(at("2026-07-01T16:00:00Z"))); // 18:00 is out
    }

    #[test]
    fn a_night_belongs_to_the_day_it_began() {
        let night = schedule((22 * 60, 6 * 60));
        assert!(night.contains(at("2026-01-09T22:00:00Z"))); // Friday 23:00
        assert!(night.contains(at("2026-01-10T04:00:00Z"))); // Saturday 05:00, Friday's night
        assert!(!night.contains(at("2026-01-10T22:00:00Z"))); // Saturday 23:00
    }
}
