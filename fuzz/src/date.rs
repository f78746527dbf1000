//! Date-times by the calendar's own rules, to hold the product's reader against.

/// Unix seconds of a date-time of RFC 3339; `None` when the text is none. `t` and `z` count as `T` and `Z`, and so does
/// a blank as `T`. A leap second, at the end of June or December, is the second after it.
#[must_use]
pub fn seconds(text: &str) -> Option<i64> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let date_time = date_time.replacen(['t', ' '], "T", 1);
    if !fits(&date_time, "0000-00-00T00:00:00") {
        return None;
    }
    let number = |from: usize, to: usize| date_time[from..to].parse::<i64>().unwrap();
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month_index = usize::try_from(month - 1).ok()?;
    if !(1..=*days.get(month_index)?).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let before_year = year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let day_of_year: i64 = days[..month_index].iter().sum::<i64>() + day - 1;
    // 719528 days lie between the first of January of the year 0 and that of 1970.
    let local = ((before_year + day_of_year - 719_528) * 24 + hour) * 3600 + minute * 60 + second;
    let offset = offset(rest)?;
    if second < 60 {
        return Some(local - offset);
    }
    let utc = local - offset;
    let is_half_year = |year: i64| {
        let new_year = seconds(&format!("{year:04}-01-01T00:00:00Z"));
        let july = seconds(&format!("{year:04}-07-01T00:00:00Z"));
        new_year == Some(utc) || july == Some(utc)
    };
    (is_half_year(year) || is_half_year(year + 1) || is_half_year(year - 1)).then_some(utc)
}

/// Whether the product may refuse a date-time that is one: the last two days of the year 9999.
#[must_use]
pub fn is_at_the_end_of_time(seconds: i64) -> bool {
    seconds > 253_402_300_799 - 2 * 86_400
}

fn offset(text: &str) -> Option<i64> {
    let offset = match text.strip_prefix('.') {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            (end > 0).then(|| &rest[end..])?
        }
        None => text,
    };
    if matches!(offset, "Z" | "z") {
        return Some(0);
    }
    let sign = if fits(offset, "+00:00") { 1 } else { -1 };
    if sign < 0 && !fits(offset, "-00:00") {
        return None;
    }
    let (hours, minutes) = (offset[1..3].parse::<i64>().ok()?, offset[4..6].parse::<i64>().ok()?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Whether a text has this shape, where `0` stands for any digit.
fn fits(text: &str, shape: &str) -> bool {
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(|(c, s)| if s == b'0' { c.is_ascii_digit() } else { c == s })
}
