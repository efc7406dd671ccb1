//! Dates and times as people and databases write them.
//!
//! In: a cell. Out: seconds since 1970-01-01 00:00 UTC, and which of two numbers was taken for the
//! day where that is open. A time without an offset is taken as UTC. The calendar is the Gregorian
//! one, for years from 1 to 9999.

/// A date is no longer.
const LONGEST: usize = 48;
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// Days of a year before each month, and all of them.
const DAYS_BEFORE: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
const SECONDS_A_DAY: i64 = 86_400;

/// A date or time, read from a cell.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct DateReading {
    pub seconds: f64,
    pub order: DateOrder,
    /// The seconds that the clock of the cell is ahead of UTC.
    pub offset: f64,
}

/// The order of day and month in a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DateOrder {
    /// The layout says it, or both are the same.
    Clear,
    /// As in `31/01/2024`.
    DayFirst,
    /// As in `01/31/2024`.
    MonthFirst,
    /// As in `02/01/2024`, read with the day first.
    Open,
}

/// The date or time of a cell: `2024-01-31`, `2024/01/31`, `31.01.2024`, `31/01/2024`,
/// `31-Jan-2024`, `Jan 31, 2024`, each perhaps with a time such as `T12:30:00.5+01:00`.
pub(super) fn read(cell: &str) -> Option<DateReading> {
    if cell.len() > LONGEST || !cell.is_ascii() {
        return None;
    }
    let mut rest = CellRest(cell);
    let (days, order) = day(&mut rest)?;
    let (seconds, offset) = match rest.0 {
        "" => (0.0, 0.0),
        _ => {
            let is_cut = rest.take("T") || rest.take("t") || rest.blanks();
            is_cut.then(|| time(&mut rest)).flatten()?
        }
    };
    rest.0.is_empty().then_some(DateReading {
        seconds: (days * SECONDS_A_DAY) as f64 + seconds - offset,
        order,
        offset,
    })
}

/// The time of a date whose day is taken for its month and its month for its day; both times are
/// those of the clock.
pub(super) fn swapped(seconds: f64) -> f64 {
    let days = (seconds / SECONDS_A_DAY as f64).floor();
    let (year, month, day) = civil(days as i64);
    // Which of two numbers is the day is open only where both may be a month.
    days_of(year, day, month)
        .map_or(seconds, |other| seconds + (other as f64 - days) * SECONDS_A_DAY as f64)
}

/// What is left of a cell.
struct CellRest<'a>(&'a str);

impl CellRest<'_> {
    /// A number with a given count of digits.
    fn number(&mut self, digits: std::ops::RangeInclusive<usize>) -> Option<i64> {
        let count = self.0.bytes().take_while(u8::is_ascii_digit).count();
        if !digits.contains(&count) {
            return None;
        }
        let (number, rest) = self.0.split_at(count);
        self.0 = rest;
        number.parse().ok()
    }

    fn take(&mut self, text: &str) -> bool {
        let rest = self.0.strip_prefix(text);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn blanks(&mut self) -> bool {
        let before = self.0.len();
        self.0 = self.0.trim_start_matches(' ');
        self.0.len() < before
    }

    fn word(&mut self) -> &str {
        let count = self.0.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (word, rest) = self.0.split_at(count);
        self.0 = rest;
        word
    }

    /// The number of a month by its name or the first three letters of it.
    fn month(&mut self) -> Option<i64> {
        let word = self.word().to_ascii_lowercase();
        let is_it = |name: &str| {
            name == word || name[..3] == *word || (word == "sept" && name.starts_with("sept"))
        };
        MONTHS.iter().position(|name| is_it(name)).map(|place| place as i64 + 1)
    }
}

/// The days of a date since 1970-01-01.
fn day(rest: &mut CellRest) -> Option<(i64, DateOrder)> {
    if rest.0.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        let month = rest.month()?;
        let day = rest.blanks().then(|| rest.number(1..=2)).flatten()?;
        let is_cut = rest.take(",") | rest.blanks();
        let year = is_cut.then(|| rest.number(4..=4)).flatten()?;
        return Some((days_of(year, month, day)?, DateOrder::Clear));
    }
    let digits = rest.0.len();
    let first = rest.number(1..=4)?;
    let digits = digits - rest.0.len();
    let mark = ["-", "/", ".", " "].into_iter().find(|mark| rest.take(mark))?;
    if digits == 4 {
        let month = rest.number(1..=2)?;
        let day = (mark != " " && rest.take(mark)).then(|| rest.number(1..=2)).flatten()?;
        return Some((days_of(first, month, day)?, DateOrder::Clear));
    }
    if digits > 2 {
        return None;
    }
    if rest.0.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        let month = rest.month()?;
        let year = (rest.take(mark) || rest.take(", ")).then(|| rest.number(4..=4)).flatten()?;
        return Some((days_of(year, month, first)?, DateOrder::Clear));
    }
    let second = rest.number(1..=2)?;
    let year = (mark != " " && rest.take(mark)).then(|| rest.number(4..=4)).flatten()?;
    let [day_first, month_first] = [days_of(year, second, first), days_of(year, first, second)];
    match (mark, day_first, month_first) {
        (".", days, _) => days.map(|days| (days, DateOrder::Clear)),
        (_, Some(days), Some(other)) => {
            Some((days, if days == other { DateOrder::Clear } else { DateOrder::Open }))
        }
        (_, Some(days), None) => Some((days, DateOrder::DayFirst)),
        (_, None, Some(days)) => Some((days, DateOrder::MonthFirst)),
        (_, None, None) => None,
    }
}

/// The seconds of a time since the clock's midnight, and how many seconds that clock is ahead of
/// UTC.
fn time(rest: &mut CellRest) -> Option<(f64, f64)> {
    let hour = rest.number(1..=2)?;
    let minute = rest.take(":").then(|| rest.number(2..=2)).flatten()?;
    let mut second = 0;
    let mut fraction = 0.0;
    if rest.take(":") {
        second = rest.number(2..=2)?;
        if rest.take(".") || rest.take(",") {
            let digits: String = rest.0.chars().take_while(char::is_ascii_digit).collect();
            rest.number(1..=18)?;
            fraction = format!("0.{digits}").parse().ok()?;
        }
    }
    rest.blanks();
    let hour = half_of_day(rest, hour)?;
    rest.blanks();
    let offset = offset(rest)?;
    let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    is_time.then(|| ((hour * 3600 + minute * 60 + second) as f64 + fraction, offset as f64))
}

/// The hour, with `AM` or `PM` behind it taken into account.
fn half_of_day(rest: &mut CellRest, hour: i64) -> Option<i64> {
    let is_afternoon = match rest.0.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("am") => false,
        Some("pm") => true,
        _ => return Some(hour),
    };
    rest.word();
    (1..=12).contains(&hour).then_some(hour % 12 + if is_afternoon { 12 } else { 0 })
}

/// The seconds that a clock with the offset is ahead of UTC.
fn offset(rest: &mut CellRest) -> Option<i64> {
    let ahead = match () {
        () if rest.0.is_empty()
            || rest.take("Z")
            || rest.take("z")
            || rest.take("UTC")
            || rest.take("GMT") =>
        {
            return Some(0);
        }
        () if rest.take("+") => 1,
        () if rest.take("-") => -1,
        () => return None,
    };
    let (hours, minutes) = match rest.0.len() {
        // As in `+0130`.
        4 => {
            let both = rest.number(4..=4)?;
            (both / 100, both % 100)
        }
        _ => (rest.number(2..=2)?, if rest.take(":") { rest.number(2..=2)? } else { 0 }),
    };
    (hours < 16 && minutes < 60).then_some(ahead * (hours * 3600 + minutes * 60))
}

/// The days of a date since 1970-01-01, if there is such a date.
fn days_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = is_leap(year);
    let index = usize::try_from(month).ok().filter(|month| (1..=12).contains(month))? - 1;
    let length = DAYS_BEFORE[index + 1] - DAYS_BEFORE[index] + i64::from(is_leap && month == 2);
    if !(1..=9999).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    Some(days_before(year) + DAYS_BEFORE[index] + i64::from(is_leap && month > 2) + day - 1)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The days between 1970-01-01 and the first day of a year.
fn days_before(year: i64) -> i64 {
    let whole = |years: i64| 365 * years + years / 4 - years / 100 + years / 400;
    whole(year - 1) - whole(1969)
}

/// A time in seconds since 1970 as ISO 8601 has it: the date alone at midnight, and else with
/// hours, minutes and seconds.
///
/// ```
/// use endo::data::date;
/// assert_eq!(
///     (date(951_782_400.0), date(-1.0)),
///     ("2000-02-29".to_string(), "1969-12-31 23:59:59".to_string())
/// );
/// ```
///
/// What is no time that a calendar of ten thousand years has is shown as a number.
pub fn date(seconds: f64) -> String {
    if seconds.is_nan() || seconds.abs() > 3e11 {
        return seconds.to_string();
    }
    let days = (seconds / 86_400.0).floor();
    let (year, month, day) = civil(days as i64);
    let rest = (seconds - days * 86_400.0) as i64;
    match rest {
        0 => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!(
            "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
            rest / 3600,
            rest / 60 % 60,
            rest % 60
        ),
    }
}

/// Year, month and day of the date that is `days` days after 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    // 400 years have 146,097 days: the estimate is off by one year at most.
    let mut year = 1970 + (days * 400).div_euclid(146_097);
    while days_before(year + 1) <= days {
        year += 1;
    }
    while days_before(year) > days {
        year -= 1;
    }
    let day = days - days_before(year);
    let before = |month: usize| DAYS_BEFORE[month] + i64::from(is_leap(year) && month > 1);
    let month = (0..12).rev().find(|&month| before(month) <= day).unwrap_or(0);
    (year, month as i64 + 1, day - before(month) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(cell: &str) -> Option<f64> {
        read(cell).map(|reading| reading.seconds / 86_400.0)
    }

    #[test]
    fn dates_are_days_since_1970() {
        let cases = [
            ("1970-01-01", 0.0),
            ("1969-12-31", -1.0),
            ("2000-02-29", 11_016.0),
            ("2000-03-01", 11_017.0),
            ("1900-03-01", -25_508.0),
            ("1900-02-28", -25_509.0),
            ("2024-01-31", 19_753.0),
            ("0001-01-01", -719_162.0),
            ("9999-12-31", 2_932_896.0),
        ];
        for (cell, expected) in cases {
            assert_eq!(days(cell), Some(expected), "{cell}");
        }
    }

    #[test]
    fn one_date_is_read_in_all_layouts() {
        let layouts = "2024-01-31|2024/01/31|2024/1/31|31.01.2024|31.1.2024|31/01/2024|\
                       01/31/2024|31-01-2024|31-Jan-2024|31-JAN-2024|31 Jan 2024|\
                       31 January 2024|Jan 31, 2024|January 31, 2024|Jan 31 2024|2024.01.31|\
                       31/Jan/2024";
        for cell in layouts.split('|') {
            assert_eq!(days(cell), Some(19_753.0), "{cell}");
        }
        let orders = |cell: &str| read(cell).map(|reading| reading.order);
        assert_eq!(orders("31/01/2024"), Some(DateOrder::DayFirst));
        assert_eq!(orders("01/31/2024"), Some(DateOrder::MonthFirst));
        assert_eq!(orders("02/01/2024"), Some(DateOrder::Open));
        assert_eq!(orders("02/02/2024"), Some(DateOrder::Clear));
        assert_eq!(orders("02.01.2024"), Some(DateOrder::Clear));
    }

    #[test]
    fn times_are_seconds_in_utc() {
        let cases = [
            ("1970-01-01T00:00:01", 1.0),
            ("1970-01-01 01:02", 3720.0),
            ("1970-01-01 00:00:00.25", 0.25),
            ("1970-01-01T00:00:00,5Z", 0.5),
            ("1970-01-01T01:00:00+01:00", 0.0),
            ("1970-01-01 00:00:00-0130", 5400.0),
            ("1970-01-01 02:00:00+02", 0.0),
            ("1970-01-01 00:00:00 UTC", 0.0),
            ("1/1/1970 12:30 AM", 1800.0),
            ("1/1/1970 1:00:00 PM", 46_800.0),
            ("Jan 1, 1970 12:00pm", 43_200.0),
        ];
        for (cell, seconds) in cases {
            assert_eq!(read(cell).map(|reading| reading.seconds), Some(seconds), "{cell}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        let cells = "2023-02-29|1900-02-29|2024-13-01|2024-00-01|2024-01-00|2024-04-31|\
                     32/01/2024|13/13/2024|0000-01-01|2024-01-31T|2024-01-31 25:00|\
                     2024-01-31 12:60|2024-01-31 12:30:60|2024-01-31x|2024-1|12:30|31.01.24|\
                     Foo 1, 2024|31-Jan|Mayor 3, 2024|2024-01/31|1.2.3|192.168.1.1|\
                     2024-01-31 13:00 PM|2024-01-31 10:00+99|1 2 2024|2024 01 31|300-01-2024|\
                     -1-01-2024|May|";
        for cell in cells.split('|') {
            assert_eq!(read(cell), None, "{cell}");
        }
    }

    #[test]
    fn every_day_is_found_again_and_swaps_day_and_month() {
        let mut expected = days_of(1, 1, 1).unwrap();
        for year in 1..=9999 {
            for month in 1..=12 {
                for day in
                    (1..=31).filter_map(|day| days_of(year, month, day).map(|days| (day, days)))
                {
                    assert_eq!(day.1, expected);
                    if year % 37 == 0 {
                        assert_eq!(civil(expected), (year, month, day.0));
                    }
                    expected += 1;
                }
            }
        }
        let seconds = |cell: &str| read(cell).unwrap().seconds;
        assert_eq!(swapped(seconds("02/01/2024 10:00")), seconds("2024-02-01 10:00"));
        assert_eq!(swapped(seconds("02/03/1960")), seconds("1960-02-03"));
    }
}
