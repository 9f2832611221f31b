//! Faults that come by themselves, and their end.

use dokuei_protocol::time::Span;

use super::World;
use super::agenda::Event;
use super::stepping::WARNED;
use crate::tally::Group;
use crate::weather::CLOCK_OFF_MOST;

impl World {
    /// Puts down what goes wrong until the weather clears.
    pub(super) fn plan_faults(&mut self) {
        let (weather, count) = (self.weather.clone(), self.sites.len());
        let (begins, lasts) = (weather.begins.0, weather.lasts.0);
        if begins > 0 {
            self.plan_year(begins);
        }
        for a in 0..count {
            for b in a + 1..count {
                for _ in 0..self.chance.below(weather.cuts + 1) {
                    let at = begins + self.chance.below(lasts);
                    let long = self.outage();
                    self.put(Span(at), Event::Cut(a, b));
                    self.put(Span(at + long), Event::Mend(a, b));
                }
            }
        }
        for site in 0..count {
            if weather.jumps > 0 && begins == 0 {
                self.sites[site].ahead = self.draw_clock();
            }
            for _ in 0..self.chance.below(weather.jumps + 1) {
                let at = begins + self.chance.below(lasts);
                self.put(Span(at), Event::Jump(site));
            }
            for _ in 0..self.chance.below(weather.stops + 1) {
                let at = begins + self.chance.below(lasts);
                self.put(Span(at), Event::Stop(site));
            }
            for _ in 0..self.chance.below(weather.outages + 1) {
                let at = begins + self.chance.below(lasts);
                let long = self.outage();
                self.put(Span(at), Event::ArchiveDown(site));
                self.put(Span(at + long), Event::ArchiveUp(site));
            }
        }
        self.plan_work(begins, lasts);
        self.put(Span(begins + lasts), Event::Calm);
    }

    /// Everybody is alone for most of a year.
    fn plan_year(&mut self, begins: u64) {
        for a in 0..self.sites.len() {
            for b in a + 1..self.sites.len() {
                self.put(Span::HOUR.times(3), Event::Cut(a, b));
                self.put(Span(begins), Event::Mend(a, b));
            }
        }
    }

    /// Studies that are to be read, and partners that are removed.
    fn plan_work(&mut self, begins: u64, lasts: u64) {
        for site in 0..self.sites.len() {
            if !self.sites[site].asks {
                continue;
            }
            for _ in 0..self.chance.between(1, 7) {
                let at = begins + self.chance.between(lasts / 20, lasts);
                self.put(Span(at), Event::Open(site));
            }
        }
        let sites = self.sites.len() as u64;
        if self.chance.percent(45) {
            for _ in 0..self.chance.between(1, 3) {
                let site = self.chance.below(sites) as usize;
                let partners: Vec<usize> = self.sites[site].wanted.iter().copied().collect();
                if let Some(partner) = self.chance.pick(&partners) {
                    let at = begins + self.chance.between(lasts / 5, lasts);
                    self.put(Span(at), Event::Remove { site, partner });
                }
            }
        }
    }

    fn outage(&mut self) -> u64 {
        match self.chance.below(3) {
            0 => Span::SECOND.times(self.chance.between(1, 120)).0,
            1 => Span::MINUTE.times(self.chance.between(2, 60)).0,
            _ => self.chance.between(Span::HOUR.0, self.weather.outage.0),
        }
    }

    /// Half of the clocks are nearly right; the others are off by up to two days.
    fn draw_clock(&mut self) -> i64 {
        let most = match self.chance.below(4) {
            0 | 1 => 30_000,
            2 => 3_600_000,
            _ => CLOCK_OFF_MOST,
        };
        let off = self.chance.below(2 * most as u64 + 1) as i64;
        off - most
    }

    pub(super) fn jump(&mut self, site: usize) {
        if self.is_calm() {
            return;
        }
        self.tally.count(Group::Faults, "clock jumps");
        self.sites[site].ahead = self.draw_clock();
        let ahead = self.sites[site].ahead;
        self.say(|| format!("site {site}: its clock is {} s ahead", ahead / 1000));
    }

    pub(super) fn archive_goes(&mut self, site: usize, down: bool) {
        if down && self.is_calm() {
            return;
        }
        if down {
            self.tally.count(Group::Faults, "archive outages");
        }
        self.sites[site].archive.down = down;
    }

    /// Everything that was wrong is right from now on.
    pub(super) fn becalm(&mut self) {
        self.say(|| "faults stop".to_owned());
        self.calm_since = Some(self.now);
        self.weather = self.weather.calm();
        for site in 0..self.sites.len() {
            self.sites[site].ahead = 0;
            self.look_at_the_clock(site);
            self.sites[site].archive.down = false;
            if self.sites[site].is_running_out(self.clock(site), WARNED) {
                self.halt(site, None, "stops for another certificate");
            }
            self.put(Span::SECOND, Event::Start(site));
        }
        for a in 0..self.sites.len() {
            for b in a + 1..self.sites.len() {
                self.cut(a, b, false);
            }
        }
        self.put(Span::HOUR, Event::Review);
    }
}
