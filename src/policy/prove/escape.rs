//! The one question of the prover: is there a point in a box that none of some other boxes covers?
//!
//! In general this is as hard as deciding whether a formula always holds, but for the conditions that
//! people write it is quick: boxes that do not meet the one in question fall away at once, and the
//! search branches only on axes in which two boxes differ. A budget makes it total.

use smallvec::SmallVec;

use crate::policy::table::ones;

/// A set of points of one axis, as a bitset.
pub type Points = SmallVec<[u64; 2]>;

/// A conjunction: per axis the points it allows, sorted by axis. An axis that is not named is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region(pub SmallVec<[(usize, Points); 4]>);

/// The points left on every axis: a region written out, to be cut down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room(pub Vec<Points>);

/// Where a search ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Escape {
    /// Every point of this room is in the region and in none of the others.
    Free(Room),
    /// The others cover the region: those that were needed for it, by their position, in order.
    Covered(Vec<usize>),
    /// The search was given up.
    Undecided,
}

/// How many steps a search may take before it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget(pub u64);

impl Budget {
    /// Far beyond what policies of people need (a thousand rules take some ten thousand steps), and
    /// some seconds at worst.
    pub const DEFAULT: Budget = Budget(1_000_000);
}

/// Looks for a point of `room` that none of `others` covers.
pub fn escape(room: &Room, others: &[&Region], budget: Budget) -> Escape {
    let mut unlimited = u64::MAX;
    escape_within(room, others, budget, &mut unlimited)
}

/// The same, and takes what it did from an allowance that several searches share: one for every
/// region that was looked at.
pub fn escape_within(
    room: &Room,
    others: &[&Region],
    budget: Budget,
    allowance: &mut u64,
) -> Escape {
    let live: Vec<usize> = (0..others.len()).collect();
    let used = vec![false; others.len()];
    let mut search = Search { others, left: budget.0, allowance, used };
    match search.run(room.clone(), &live) {
        Ok(Some(free)) => Escape::Free(free),
        Ok(None) => {
            let used = search.used.iter().enumerate();
            Escape::Covered(used.filter(|(_, used)| **used).map(|(index, _)| index).collect())
        }
        Err(GivenUp) => Escape::Undecided,
    }
}

struct GivenUp;

struct Search<'a> {
    others: &'a [&'a Region],
    left: u64,
    allowance: &'a mut u64,
    /// Which of the others were needed to cover what was covered so far.
    used: Vec<bool>,
}

impl Search<'_> {
    fn run(&mut self, mut room: Room, among: &[usize]) -> Result<Option<Room>, GivenUp> {
        self.left = self.left.checked_sub(1).ok_or(GivenUp)?;
        *self.allowance = self.allowance.checked_sub(1 + among.len() as u64).ok_or(GivenUp)?;
        let mut live = Vec::with_capacity(among.len());
        let mut nearest: Option<(usize, usize)> = None;
        for &index in among {
            let region = self.others[index];
            if !region.meets(&room) {
                continue;
            }
            let beyond = region.axes_beyond(&room);
            if beyond == 0 {
                self.used[index] = true;
                return Ok(None);
            }
            if nearest.is_none_or(|(_, least)| beyond < least) {
                nearest = Some((index, beyond));
            }
            live.push(index);
        }
        let Some((nearest, _)) = nearest else { return Ok(Some(room)) };
        self.used[nearest] = true;
        // What lies outside of the nearest on one axis, then, inside of it there, on the next.
        for (axis, allowed) in &self.others[nearest].0 {
            let outside: Points =
                room.0[*axis].iter().zip(allowed).map(|(room, allowed)| room & !allowed).collect();
            if outside.iter().any(|word| *word != 0) {
                let mut part = room.clone();
                part.0[*axis] = outside;
                if let Some(free) = self.run(part, &live)? {
                    return Ok(Some(free));
                }
            }
            room.0[*axis].iter_mut().zip(allowed).for_each(|(room, allowed)| *room &= allowed);
        }
        Ok(None)
    }
}

impl Region {
    /// The points that it allows on an axis; `None` if all.
    pub fn points(&self, axis: usize) -> Option<Vec<usize>> {
        let (_, allowed) = self.0.iter().find(|(known, _)| *known == axis)?;
        Some(ones(allowed).collect())
    }

    /// Whether the room and the region have a point in common.
    pub fn meets(&self, room: &Room) -> bool {
        self.0.iter().all(|(axis, allowed)| {
            allowed.iter().zip(&room.0[*axis]).any(|(allowed, room)| allowed & room != 0)
        })
    }

    /// On how many axes the room reaches beyond the region.
    fn axes_beyond(&self, room: &Room) -> usize {
        let beyond = |(axis, allowed): &&(usize, Points)| {
            allowed.iter().zip(&room.0[*axis]).any(|(allowed, room)| room & !allowed != 0)
        };
        self.0.iter().filter(beyond).count()
    }
}

impl Room {
    /// The part of it at one point of an axis; `None` if there is none.
    pub fn at(mut self, axis: usize, point: usize) -> Option<Room> {
        if !self.has(axis, point) {
            return None;
        }
        self.0[axis].iter_mut().for_each(|word| *word = 0);
        self.0[axis][point / 64] = 1 << (point % 64);
        Some(self)
    }

    /// What room and region have in common; `None` if nothing.
    pub fn cut(&self, region: &Region) -> Option<Room> {
        let mut room = self.clone();
        for (axis, allowed) in &region.0 {
            room.0[*axis].iter_mut().zip(allowed).for_each(|(room, allowed)| *room &= allowed);
            if room.0[*axis].iter().all(|word| *word == 0) {
                return None;
            }
        }
        Some(room)
    }

    /// How many points of an axis are left.
    pub fn count(&self, axis: usize) -> usize {
        self.0[axis].iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The points that are left on an axis.
    pub fn points(&self, axis: usize) -> impl Iterator<Item = usize> + '_ {
        ones(&self.0[axis])
    }

    /// Whether a point of an axis is left.
    pub fn has(&self, axis: usize, point: usize) -> bool {
        self.0[axis].get(point / 64).is_some_and(|word| word & (1 << (point % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AXES: usize = 4;
    const POINTS: usize = 3;

    fn region() -> impl Strategy<Value = Region> {
        prop::collection::btree_map(0..AXES, 1..(1u64 << POINTS), 0..=3).prop_map(|axes| {
            Region(
                axes.into_iter().map(|(axis, bits)| (axis, Points::from_slice(&[bits]))).collect(),
            )
        })
    }

    fn everything() -> Room {
        Room(vec![Points::from_slice(&[(1 << POINTS) - 1]); AXES])
    }

    fn all_points() -> impl Iterator<Item = [usize; AXES]> {
        (0..POINTS.pow(AXES as u32)).map(|mut n| {
            std::array::from_fn(|_| {
                let point = n % POINTS;
                n /= POINTS;
                point
            })
        })
    }

    fn holds(region: &Region, point: &[usize; AXES]) -> bool {
        region.0.iter().all(|(axis, allowed)| allowed[0] & (1 << point[*axis]) != 0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn the_search_agrees_with_trying_every_point(
            from in region(),
            others in prop::collection::vec(region(), 0..8),
        ) {
            let others: Vec<&Region> = others.iter().collect();
            let room = everything().cut(&from).unwrap();
            let uncovered = |others: &[&Region]| {
                all_points().any(|point| {
                    holds(&from, &point) && !others.iter().any(|other| holds(other, &point))
                })
            };
            match escape(&room, &others, Budget::DEFAULT) {
                Escape::Free(free) => {
                    let inside = all_points()
                        .filter(|point| (0..AXES).all(|axis| free.has(axis, point[axis])));
                    for point in inside {
                        prop_assert!(holds(&from, &point));
                        prop_assert!(!others.iter().any(|other| holds(other, &point)));
                    }
                    prop_assert!((0..AXES).all(|axis| free.points(axis).next().is_some()));
                }
                Escape::Covered(by) => {
                    prop_assert!(!uncovered(&others));
                    let needed: Vec<&Region> = by.iter().map(|index| others[*index]).collect();
                    prop_assert!(!uncovered(&needed), "the named ones suffice");
                }
                Escape::Undecided => prop_assert!(false, "so small a search ends"),
            }
        }
    }

    #[test]
    fn a_search_without_budget_is_given_up() {
        let one = Region(SmallVec::from_iter([(0, Points::from_slice(&[1]))]));
        assert_eq!(escape(&everything(), &[&one], Budget(0)), Escape::Undecided);
    }
}
