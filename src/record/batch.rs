//! Records that wait to be written. They are kept as what they consist of: the thread that writes
//! them gives them their form, which depends on where they go.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use super::event::Event;
use super::log::{Field, Value};

/// Capacities of a batch that are kept for the next records.
const KEPT: usize = 256;

/// Records, in order. To add some that are in another batch is three copies of memory.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    heads: Vec<Head>,
    fields: Vec<(&'static str, Item)>,
    text: String,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    time: SystemTime,
    event: &'static Event,
    fields: usize,
}

/// A value. Texts lie one after another in [`Batch::text`].
#[derive(Clone, Copy, Debug)]
enum Item {
    Number(u64),
    Seconds(Duration),
    Text { length: usize },
}

/// An event, when it was, and what is special about it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When.
    pub time: SystemTime,
    /// What.
    pub event: &'static Event,
    fields: &'a [(&'static str, Item)],
    text: &'a str,
}

/// The value of a field of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Datum<'a> {
    /// A number.
    Number(u64),
    /// A length of time.
    Seconds(Duration),
    /// Anything else, with whatever is in it.
    Text(&'a str),
}

impl Batch {
    /// A batch of one record.
    pub(crate) fn one(event: &'static Event, fields: &[Field<'_>]) -> Self {
        let mut batch = Self::default();
        batch.add(event, fields);
        batch
    }

    /// Adds a record of this moment.
    pub(crate) fn add(&mut self, event: &'static Event, fields: &[Field<'_>]) {
        self.heads.push(Head { time: SystemTime::now(), event, fields: fields.len() });
        for (name, value) in fields {
            let item = match value {
                Value::Number(number) => Item::Number(*number),
                Value::Seconds(duration) => Item::Seconds(*duration),
                Value::Text(value) => {
                    let start = self.text.len();
                    // If it cannot be shown, what there is of it has to do.
                    write!(self.text, "{value}").ok();
                    Item::Text { length: self.text.len() - start }
                }
            };
            self.fields.push((name, item));
        }
    }

    /// Adds all records of another batch.
    pub(crate) fn append(&mut self, other: &Self) {
        self.heads.extend_from_slice(&other.heads);
        self.fields.extend_from_slice(&other.fields);
        self.text.push_str(&other.text);
    }

    /// Forgets the records, and memory that only a storm of them needs.
    pub(crate) fn clear(&mut self) {
        self.heads.clear();
        self.heads.shrink_to(KEPT);
        self.fields.clear();
        self.fields.shrink_to(KEPT * 4);
        self.text.clear();
        self.text.shrink_to(KEPT * 64);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Bytes of memory that the records need.
    pub(crate) fn size(&self) -> usize {
        size_of_val(&*self.heads) + size_of_val(&*self.fields) + self.text.len()
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let (mut fields, mut text) = (&*self.fields, &*self.text);
        self.heads.iter().map(move |head| {
            let (own_fields, other_fields) = fields.split_at(head.fields);
            let length = own_fields.iter().map(|(_, item)| item.length()).sum();
            let (own_text, other_text) = text.split_at(length);
            (fields, text) = (other_fields, other_text);
            Record { time: head.time, event: head.event, fields: own_fields, text: own_text }
        })
    }
}

impl Item {
    fn length(self) -> usize {
        match self {
            Self::Text { length } => length,
            Self::Number(_) | Self::Seconds(_) => 0,
        }
    }
}

impl<'a> Record<'a> {
    /// Names and values.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, Datum<'a>)> + use<'a> {
        let mut text = self.text;
        self.fields.iter().map(move |(name, item)| {
            let (own, other) = text.split_at(item.length());
            text = other;
            let datum = match item {
                Item::Number(number) => Datum::Number(*number),
                Item::Seconds(duration) => Datum::Seconds(*duration),
                Item::Text { .. } => Datum::Text(own),
            };
            (*name, datum)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::event;

    #[test]
    fn records_come_out_as_they_went_in() {
        let duration = Duration::from_millis(5);
        let mut batch = Batch::one(event::STOPPING, &[]);
        let fields = [
            ("a", Value::Text(&"x\u{fc}")),
            ("n", Value::Number(7)),
            ("empty", Value::Text(&"")),
            ("d", Value::Seconds(duration)),
            ("b", Value::Text(&"yz")),
        ];
        batch.append(&Batch::one(event::START, &fields));
        batch.add(event::EXIT, &[("c", Value::Text(&"w"))]);
        let records: Vec<_> = batch
            .records()
            .map(|record| (record.event.id, record.fields().collect::<Vec<_>>()))
            .collect();
        let start = vec![
            ("a", Datum::Text("x\u{fc}")),
            ("n", Datum::Number(7)),
            ("empty", Datum::Text("")),
            ("d", Datum::Seconds(duration)),
            ("b", Datum::Text("yz")),
        ];
        let exit = vec![("c", Datum::Text("w"))];
        assert_eq!(records, [(1001, vec![]), (3001, start), (3002, exit)]);
        assert!(batch.size() > 4);
        batch.clear();
        assert!(batch.is_empty() && batch.records().next().is_none() && batch.size() == 0);
    }
}
