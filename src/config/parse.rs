//! From the text of a setting to its value. Each says what is allowed; the name is added by the caller.

use std::{fmt::Display, net::SocketAddr, ops::RangeInclusive, str::FromStr, time::Duration};

use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

use super::LogFormat;

/// Shortest admin token that is taken from outside.
const MIN_TOKEN_CHARS: usize = 32;

/// A length of time with its unit, such as `50ms`, `15s` or `1h 30m`.
///
/// # Errors
/// What is allowed, when the text is none.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text.trim())
        .map_err(|_| "a number with its unit is expected: 200ms, 15s, 2m, 1h".to_owned())
}

pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| {
        let value = parse_duration(text)?;
        if range.contains(&value) {
            return Ok(value);
        }
        let [low, high] =
            [range.start(), range.end()].map(|limit| humantime::format_duration(*limit).to_string());
        Err(format!("{low} to {high} is allowed"))
    }
}

/// Lengths of time with commas between them, such as `5s,1m,2h`.
pub(super) fn durations(
    most: usize,
    range: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Vec<Duration>, String> {
    let each = duration(range);
    move |text| {
        let all: Vec<Duration> = text.split(',').map(&each).collect::<Result<_, _>>()?;
        if all.len() <= most { Ok(all) } else { Err(format!("at most {most} of them are allowed")) }
    }
}

pub(super) fn number<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    move |text| match text.trim().parse() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => Err(format!("a whole number from {} to {} is allowed", range.start(), range.end())),
    }
}

/// A time zone by its name.
pub(super) fn time_zone(text: &str) -> Result<chrono_tz::Tz, String> {
    text.trim()
        .parse()
        .map_err(|_| "a name of the IANA is expected: Asia/Shanghai, Europe/Berlin, UTC".to_owned())
}

pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text.trim() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("true or false is allowed".to_owned()),
    }
}

pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    let words: Vec<_> = text.split(',').map(|word| word.trim().to_owned()).collect();
    // An empty one would be found in everything.
    if words.iter().any(String::is_empty) {
        return Err("words with commas between are expected: 重复,已存在".to_owned());
    }
    Ok(words)
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.trim().parse().map_err(|_| {
        "an IP address with a port is expected: 127.0.0.1:50051, 0.0.0.0:50051, [::1]:50051".to_owned()
    })
}

/// Long enough not to be guessed. Nothing of it is shown.
pub(super) fn admin_token(text: &str) -> Result<SecretString, String> {
    let text = text.trim();
    let length = text.chars().count();
    if length < MIN_TOKEN_CHARS {
        return Err(format!(
            "has {length} characters; at least {MIN_TOKEN_CHARS} are needed, such as `openssl rand -hex 32` gives"
        ));
    }
    if !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err(
            "may hold letters, digits and signs of ASCII only, without blanks: it goes into a header"
                .to_owned(),
        );
    }
    Ok(text.into())
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text.trim() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("text or json is allowed".to_owned()),
    }
}

/// Directives of the log's filter, checked.
///
/// # Errors
/// What is allowed, when the text is none.
pub fn log_level(text: &str) -> Result<String, String> {
    const ALLOWED: &str = "a level (off, error, warn, info, debug, trace), or directives such as info,haier_integration::store=debug";
    // The filter itself would take a misspelt level for the name of a module, and then log everything of it.
    let is_meant = |part: &str| {
        part.contains('=')
            || matches!(
                part.to_ascii_lowercase().as_str(),
                "off" | "error" | "warn" | "info" | "debug" | "trace"
            )
    };
    let text = text.trim();
    if text.split(',').all(|part| is_meant(part.trim())) && EnvFilter::try_new(text).is_ok() {
        return Ok(text.to_owned());
    }
    Err(format!("{ALLOWED}, is allowed"))
}
