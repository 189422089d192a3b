//! A listing: rows page by page until as many are shown as were asked for, and the token to go on with.

use serde_json::Value;

use super::{
    client::OutputForm,
    console::{Console, printable},
    failure::Failure,
};

/// The service answers no more rows a page.
const MAX_PAGE: u32 = 1_000;

/// What is asked for, and how its rows look.
pub(super) struct Listing<T> {
    pub(super) form: OutputForm,
    pub(super) limit: u32,
    /// Where an earlier listing ended.
    pub(super) page_token: Option<String>,
    /// What to say when there is nothing.
    pub(super) none: &'static str,
    pub(super) json: fn(&T) -> Value,
    pub(super) table: fn(&[T]) -> String,
}

impl<T> Listing<T> {
    /// Shows it. `page` asks for one page by its size and token, and gives its rows and the token of the next.
    pub(super) async fn show(
        self,
        mut page: impl AsyncFnMut(i32, String) -> Result<(Vec<T>, String), Failure>,
        console: &mut Console,
    ) -> Result<u8, Failure> {
        let (mut rows, mut left, mut token) = (Vec::new(), self.limit, self.page_token.unwrap_or_default());
        loop {
            let size = i32::try_from(left.min(MAX_PAGE)).unwrap_or(i32::MAX);
            let (found, next) = page(size, token).await?;
            left = left.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            token = next;
            match self.form {
                OutputForm::Json => found.iter().try_for_each(|row| console.say_json(&(self.json)(row)))?,
                // The widths of a table are known only when all its rows are.
                OutputForm::Table => rows.extend(found),
            }
            if left == 0 || token.is_empty() {
                break;
            }
        }
        if self.form == OutputForm::Table {
            if rows.is_empty() {
                console.complain(self.none);
            } else {
                console.say(&(self.table)(&rows))?;
            }
        }
        if !token.is_empty() {
            // Not a part of the result: programs that read it line by line would stumble.
            console.complain(&format!("more: the same command with --page-token {}", printable(&token)));
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::Sink;

    /// Lists up to `limit` of the numbers below `end`, and gives the sizes of the pages asked for and both outputs.
    async fn listed(form: OutputForm, limit: u32, end: i32) -> (Vec<i32>, String, String) {
        let (out, err, mut sizes) = (Sink::default(), Sink::default(), Vec::new());
        let listing = Listing {
            form,
            limit,
            page_token: Some("0".to_owned()),
            none: "no numbers match",
            json: |number: &i32| Value::from(*number),
            table: |numbers| format!("{} numbers", numbers.len()),
        };
        let page = async |size: i32, token: String| {
            sizes.push(size);
            let from: i32 = token.parse().unwrap();
            let to = end.min(from + size);
            Ok(((from..to).collect(), if to < end { to.to_string() } else { String::new() }))
        };
        let mut console = Console::of(Box::new(out.clone()), Box::new(err.clone()));
        assert_eq!(listing.show(page, &mut console).await.unwrap(), 0);
        (sizes, out.text(), err.text())
    }

    #[tokio::test]
    async fn pages_follow_each_other_up_to_the_limit() {
        let (sizes, out, err) = listed(OutputForm::Table, 2_500, 2_600).await;
        assert_eq!((sizes.as_slice(), out.as_str()), ([1_000, 1_000, 500].as_slice(), "2500 numbers\n"));
        assert_eq!(err, "more: the same command with --page-token 2500\n");
        let (sizes, out, err) = listed(OutputForm::Json, 1_000_000, 3).await;
        assert_eq!((sizes.as_slice(), out.as_str(), err.as_str()), ([1_000].as_slice(), "0\n1\n2\n", ""));
    }

    #[tokio::test]
    async fn nothing_is_said_beside_the_result_and_only_to_people() {
        let of = |form| listed(form, 10, 0);
        assert_eq!(of(OutputForm::Table).await, (vec![10], String::new(), "no numbers match\n".to_owned()));
        assert_eq!(of(OutputForm::Json).await, (vec![10], String::new(), String::new()));
    }
}
