//! The space of all requests as the prover sees it: independent axes, each with finitely many points.
//!
//! A point stands for all values that no condition of the policy tells apart, and carries a sample of
//! them. Attributes that hang together (a model's name and the patterns it is matched with, schedules
//! and hours, a sum and its parts) share an axis whose points are the combinations that occur.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use smallvec::SmallVec;

use super::escape::{Points, Region, Room};
use super::samples;
use crate::policy::cond::{DeclaredSource, Op, Operand, Reading};
use crate::policy::plain::Said;
use crate::policy::schema::{Attr, AttrRef, Type};
use crate::policy::table::classes::{Dimension, Space};
use crate::policy::table::{boxes, ones};
use crate::policy::value::{Facts, OwnedValue};

/// An axis with more points is split into independent ones: never wrong, but some of its points may
/// not occur.
const MOST_POINTS: usize = 4_096;

/// The axes of a policy.
pub struct Axes {
    space: Space,
    axes: Vec<Axis>,
    /// Per dimension of the space: its axis, and its place among the axis's dimensions.
    axis_of: Vec<(usize, usize)>,
}

/// One axis.
pub struct Axis {
    /// The dimensions of the space that it joins.
    pub dimensions: Vec<usize>,
    /// Its points.
    pub points: Vec<Point>,
    /// The point of a plain request, or the first.
    pub plain: usize,
    /// Per dimension and class the points that lie in it.
    by_class: Vec<Vec<Vec<u32>>>,
}

/// One point of an axis.
pub struct Point {
    /// The class on each of the axis's dimensions.
    pub classes: SmallVec<[u32; 2]>,
    /// Values that lie in these classes.
    pub sample: Sample,
    /// Whether the sample was seen to lie in them. Not where a regular expression is involved for
    /// which no fitting text was found.
    pub certain: bool,
}

/// Values for some operands, or an instant.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// What they are.
    pub values: SmallVec<[(Operand, OwnedValue); 1]>,
    /// When the request comes.
    pub now: Option<Timestamp>,
}

impl Sample {
    /// One value.
    pub fn of(operand: &Operand, value: OwnedValue) -> Sample {
        Sample { values: SmallVec::from_iter([(operand.clone(), value)]), now: None }
    }

    /// Adds what it holds to what is said of a request.
    pub fn say_to(&self, said: &mut Said) {
        self.values.iter().for_each(|(operand, value)| said.say(operand, value.clone()));
        if let Some(now) = self.now {
            said.at(now);
        }
    }
}

/// What decides on which axis a dimension lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Root {
    /// The value of this operand.
    Operand(Operand),
    /// One element of a set.
    Element(usize),
    /// The instant.
    Time,
    /// The sizes of prompt and answer.
    Sizes,
}

impl Axes {
    /// The axes of a space.
    pub fn of(space: Space) -> Axes {
        let mut groups: Vec<(Root, Vec<usize>)> = Vec::new();
        let mut known: HashMap<Root, usize> = HashMap::new();
        for (index, dimension) in space.dimensions.iter().enumerate() {
            let root = root(index, dimension);
            let group = *known.entry(root.clone()).or_insert_with(|| {
                groups.push((root, Vec::new()));
                groups.len() - 1
            });
            groups[group].1.push(index);
        }
        let mut axes = Vec::with_capacity(groups.len());
        for (root, dimensions) in groups {
            match axis(&space, &root, &dimensions) {
                Some(axis) => axes.push(axis),
                None => axes.extend(dimensions.iter().map(|one| independent(&space, *one))),
            }
        }
        let mut axis_of = vec![(0, 0); space.dimensions.len()];
        for (index, axis) in axes.iter().enumerate() {
            for (place, dimension) in axis.dimensions.iter().enumerate() {
                axis_of[*dimension] = (index, place);
            }
        }
        Axes { space, axes, axis_of }
    }

    /// The axes.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// What an axis is about: the operands of its dimensions.
    pub fn operands(&self, axis: usize) -> impl Iterator<Item = &Operand> {
        self.axes[axis].dimensions.iter().map(|index| &self.space.dimensions[*index].operand)
    }

    /// A dimension that axes join.
    pub fn dimension(&self, index: usize) -> &Dimension {
        &self.space.dimensions[index]
    }

    /// Where facts lie on an axis: the class on each of its dimensions.
    pub fn classes_of(&self, axis: usize, facts: &dyn Facts) -> SmallVec<[u32; 2]> {
        let dimensions = self.axes[axis].dimensions.iter();
        dimensions.map(|index| self.space.dimensions[*index].class_of(facts) as u32).collect()
    }

    /// The axis that an operand's tests lie on.
    pub fn axis_with(&self, operand: &Operand) -> Option<usize> {
        let at = self.space.dimensions.iter().position(|it| it.operand == *operand)?;
        Some(self.axis_of[at].0)
    }

    /// The point of an axis that a request lies in; none where its classes do not occur together in
    /// any sample.
    pub fn place(&self, axis: usize, said: &Said) -> Option<usize> {
        let axis = &self.axes[axis];
        let dims = axis.dimensions.iter().map(|index| &self.space.dimensions[*index]);
        let classes: SmallVec<[u32; 2]> = dims.map(|it| it.class_of(said) as u32).collect();
        let first = axis.by_class.first()?.get(*classes.first()? as usize)?;
        let same = |point: &&u32| axis.points[**point as usize].classes == classes;
        first.iter().find(same).map(|point| *point as usize)
    }

    /// Whether a request lies in a room.
    pub fn holds(&self, room: &Room, said: &Said) -> bool {
        (0..self.axes.len())
            .all(|axis| self.place(axis, said).is_some_and(|point| room.has(axis, point)))
    }

    /// The most that a counted operand of an axis is at a point; `None` where nothing bounds it.
    pub fn most(&self, axis: usize, point: usize, operand: &Operand) -> Option<u64> {
        let axis = &self.axes[axis];
        let mut places = axis.dimensions.iter().zip(&axis.points[point].classes);
        let dimension = |index: &usize| &self.space.dimensions[*index];
        let (index, class) = places.find(|(index, _)| {
            dimension(index).operand == *operand && dimension(index).cuts().is_some()
        })?;
        let above = dimension(index).cuts()?.get((*class as usize).checked_sub(1)?)?;
        u64::try_from(above - 1).ok()
    }

    /// Only these points of one axis.
    pub fn only(&self, axis: usize, points: impl Iterator<Item = usize>) -> Region {
        let mut allowed = none(self.axes[axis].points.len());
        points.for_each(|point| allowed[point / 64] |= 1 << (point % 64));
        Region(SmallVec::from_iter([(axis, allowed)]))
    }

    /// The whole space.
    pub fn everything(&self) -> Room {
        Room(self.axes.iter().map(|axis| all(axis.points.len())).collect())
    }

    /// The regions of a condition; of one that can never hold, none.
    ///
    /// # Errors
    /// Where there are too many.
    pub fn regions(
        &self,
        cond: &crate::policy::cond::Cond,
    ) -> Result<Vec<Region>, boxes::TooManyBoxes> {
        let boxes = boxes::boxes(cond, &self.space)?;
        Ok(boxes.iter().filter_map(|one| self.region(one)).collect())
    }

    fn region(&self, one: &boxes::Region) -> Option<Region> {
        let mut axes: SmallVec<[(usize, Points); 4]> = SmallVec::new();
        for (dimension, classes) in &one.0 {
            let (axis, place) = self.axis_of[*dimension];
            let mut allowed = none(self.axes[axis].points.len());
            for class in ones(classes) {
                for &point in &self.axes[axis].by_class[place][class] {
                    allowed[point as usize / 64] |= 1 << (point % 64);
                }
            }
            match axes.iter_mut().find(|(known, _)| *known == axis) {
                Some((_, known)) => known.iter_mut().zip(&allowed).for_each(|(a, b)| *a &= b),
                None => axes.push((axis, allowed)),
            }
        }
        if axes.iter().any(|(_, points)| points.iter().all(|word| *word == 0)) {
            return None;
        }
        // What allows everything says nothing.
        axes.retain(|(axis, points)| *points != all(self.axes[*axis].points.len()));
        axes.sort_unstable_by_key(|(axis, _)| *axis);
        Some(Region(axes))
    }

    /// The most plain request in a room, and whether it is sure to be in it.
    pub fn request(&self, room: &Room) -> (Said, bool) {
        let (mut said, mut certain) = (Said::default(), true);
        for (index, axis) in self.axes.iter().enumerate() {
            let plain = room.has(index, axis.plain);
            let chosen = if plain {
                axis.plain
            } else {
                let sure = room.points(index).find(|point| axis.points[*point].certain);
                sure.or_else(|| room.points(index).next()).unwrap_or(axis.plain)
            };
            let Some(point) = axis.points.get(chosen) else { continue };
            certain &= point.certain;
            if !plain || !self.is_plain(index) {
                point.sample.say_to(&mut said);
            }
        }
        (said, certain)
    }

    /// Whether the plain point of an axis is really that of a plain request.
    fn is_plain(&self, axis: usize) -> bool {
        let axis = &self.axes[axis];
        let said = Said::default();
        axis.points.get(axis.plain).is_some_and(|point| {
            axis.dimensions.iter().zip(&point.classes).all(|(dimension, class)| {
                self.space.dimensions[*dimension].class_of(&said) == *class as usize
            })
        })
    }
}

fn root(index: usize, dimension: &Dimension) -> Root {
    let operand = &dimension.operand;
    if matches!(dimension.test(), Some(Op::Has(_))) {
        return Root::Element(index);
    }
    match operand {
        Operand::Attr(attr) => group(attr.attr).unwrap_or_else(|| Root::Operand(operand.clone())),
        Operand::Declared(declared) => match &declared.source {
            // What is read from an attribute hangs together with everything else that reads it.
            Some(DeclaredSource::Attr(source)) if stands_alone(source.attr) => {
                Root::Operand(Operand::Attr(source.clone()))
            }
            _ => Root::Operand(operand.clone()),
        },
    }
}

/// Whether an attribute has an axis of its own, and one value at each of its points.
fn stands_alone(attr: Attr) -> bool {
    let operand = Operand::Attr(AttrRef::plain(attr));
    let own = match group(attr) {
        Some(root) => root == Root::Operand(operand),
        None => true,
    };
    own && !matches!(attr.def().ty, Type::Set | Type::Time)
}

/// Whether an operand is read from an attribute that lies on an axis with others: what it is then
/// does not follow from its own point.
fn hangs_elsewhere(operand: &Operand) -> bool {
    match operand {
        Operand::Attr(_) => false,
        Operand::Declared(declared) => matches!(&declared.source,
            Some(DeclaredSource::Attr(source)) if !stands_alone(source.attr)),
    }
}

/// The axis of attributes that hang together by their meaning.
fn group(attr: Attr) -> Option<Root> {
    match attr {
        Attr::Time | Attr::TimeHour | Attr::TimeWeekday | Attr::TimeDate => Some(Root::Time),
        Attr::RequestAuto => Some(Root::Operand(Operand::Attr(AttrRef::plain(Attr::RequestModel)))),
        Attr::InputTokens
        | Attr::InputSystemTokens
        | Attr::InputLastTokens
        | Attr::InputCachedTokens
        | Attr::TotalTokens
        | Attr::RequestMaxOutput => Some(Root::Sizes),
        _ => None,
    }
}

/// The axis of dimensions that hang together; `None` if it has too many points.
fn axis(space: &Space, root: &Root, dimensions: &[usize]) -> Option<Axis> {
    let dims: Vec<&Dimension> = dimensions.iter().map(|index| &space.dimensions[*index]).collect();
    let samples = match root {
        // Only one declared attribute is asked for: its own words are nicer than its source's.
        Root::Operand(_) if alone(&dims) => samples::of_operand(&dims.first()?.operand, &dims)?,
        Root::Operand(operand) => samples::of_operand(operand, &dims)?,
        Root::Element(_) => samples::of_element(dims.first()?),
        Root::Time => samples::of_time(&dims),
        Root::Sizes => samples::of_sizes(&dims, MOST_POINTS)?,
    };
    let mut points: Vec<Point> = Vec::new();
    let mut seen: HashSet<SmallVec<[u32; 2]>> = HashSet::new();
    let certain = !dims.iter().any(|dim| hangs_elsewhere(&dim.operand));
    for sample in samples {
        let mut said = Said::default();
        sample.say_to(&mut said);
        let classes: SmallVec<[u32; 2]> = dims.iter().map(|it| it.class_of(&said) as u32).collect();
        if seen.insert(classes.clone()) {
            points.push(Point { classes, sample, certain });
        }
    }
    add_unseen_matches(&dims, &mut points, &mut seen);
    // One dimension alone is never larger when it is looked at independently.
    (points.len() <= MOST_POINTS || dims.len() == 1)
        .then(|| finished(dims.as_slice(), dimensions.to_vec(), points))
}

/// Whether the dimensions are all of one declared attribute with values of its own.
fn alone(dims: &[&Dimension]) -> bool {
    let own =
        |dim: &&Dimension| matches!(reading(&dim.operand), Some(Reading::OneOf(_) | Reading::Bool));
    dims.iter().all(own) && dims.windows(2).all(|pair| pair[0].operand == pair[1].operand)
}

/// Whether a text matches a regular expression is taken to be independent of everything else, where
/// no text was found that shows it.
fn add_unseen_matches(
    dims: &[&Dimension],
    points: &mut Vec<Point>,
    seen: &mut HashSet<SmallVec<[u32; 2]>>,
) {
    for (place, dimension) in dims.iter().enumerate() {
        if !matches!(dimension.test(), Some(Op::Matches(_))) {
            continue;
        }
        for index in 0..points.len() {
            let mut classes = points[index].classes.clone();
            classes[place] = 1 - classes[place].min(1);
            if seen.insert(classes.clone()) {
                let sample = points[index].sample.clone();
                points.push(Point { classes, sample, certain: false });
            }
        }
    }
}

/// One dimension on its own: a point for each of its classes, whether or not all of them occur.
fn independent(space: &Space, dimension: usize) -> Axis {
    let dim = &space.dimensions[dimension];
    let mut found: Vec<Option<Sample>> = vec![None; dim.classes()];
    for sample in samples::of_dimension(dim) {
        let mut said = Said::default();
        sample.say_to(&mut said);
        found[dim.class_of(&said)].get_or_insert(sample);
    }
    let points = found.into_iter().enumerate().map(|(class, sample)| Point {
        classes: SmallVec::from_iter([class as u32]),
        certain: sample.is_some() && !hangs_elsewhere(&dim.operand),
        sample: sample.unwrap_or_default(),
    });
    let points = points.collect();
    finished(&[dim], vec![dimension], points)
}

fn finished(dims: &[&Dimension], dimensions: Vec<usize>, points: Vec<Point>) -> Axis {
    let said = Said::default();
    let plain = points.iter().position(|point| {
        dims.iter().zip(&point.classes).all(|(dim, class)| dim.class_of(&said) == *class as usize)
    });
    let mut by_class: Vec<Vec<Vec<u32>>> =
        dims.iter().map(|dim| vec![Vec::new(); dim.classes()]).collect();
    for (point, index) in points.iter().zip(0..) {
        for (place, class) in point.classes.iter().enumerate() {
            by_class[place][*class as usize].push(index);
        }
    }
    Axis { dimensions, points, plain: plain.unwrap_or(0), by_class }
}

fn none(points: usize) -> Points {
    Points::from_elem(0, points.div_ceil(64).max(1))
}

fn all(points: usize) -> Points {
    let mut all = Points::from_elem(u64::MAX, points.div_ceil(64).max(1));
    if let Some(last) = all.last_mut().filter(|_| points == 0 || !points.is_multiple_of(64)) {
        *last = (1 << (points % 64)) - 1;
    }
    all
}

/// How a declared attribute is read, if it is one.
pub fn reading(operand: &Operand) -> Option<&Reading> {
    match operand {
        Operand::Declared(declared) => Some(&declared.reading),
        Operand::Attr(_) => None,
    }
}
