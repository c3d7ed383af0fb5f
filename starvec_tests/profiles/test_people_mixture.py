import numpy as np
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.profiles.people_mixture import GROUPS, MIN_GROUP, PeopleMixture
from starvec_assets.profiles.people_sample import PeopleSample
from starvec_assets.profiles.star_bins import StarBins
from starvec_assets.vectors import unit_rows

BINS = StarBins((1, 10), (500, 500))


@pytest.fixture(scope="module")
def people() -> PeopleSample:
    """Two bins of people about eight unequal centres, so that no single normal distribution fits them."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(8, 16))
    topic = rng.choice(8, 8_000, p=[0.4, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05])
    bin_of = np.arange(8_000) % 2
    spread = np.where(bin_of, 0.5, 1.5)[:, None]
    return PeopleSample(unit_rows(centres[topic] + spread * rng.normal(size=(8_000, 16))), bin_of, BINS)


def test_percentiles_are_the_shares_of_people_it_has_not_seen(people):
    fitted = PeopleMixture.of(PeopleSample(people.vectors[:4_000], people.bin_of[:4_000], BINS))
    rng = np.random.default_rng(1)
    for star_bin in (0, 1):
        fresh = people.vectors[4_000:][people.bin_of[4_000:] == star_bin]
        for direction in unit_rows(rng.normal(size=(20, 16))):
            cosines = fresh @ direction
            for share in (10, 50, 90, 97):
                found = fitted.percentile(direction, star_bin, float(np.percentile(cosines, share)))
                assert found == pytest.approx(share, abs=6)


def test_every_group_has_enough_people_to_tell_of_nobody(people):
    few = PeopleSample(people.vectors[:300], np.zeros(300, int), StarBins((1,), (300,)))
    shares = PeopleMixture.of(few).shares[0] * 300
    assert shares.sum() == pytest.approx(300)
    assert shares[shares > 0].min() >= MIN_GROUP - 1e-3


def test_a_bin_of_fewer_people_than_a_group_has_no_groups(people):
    sizes = np.repeat([0, 1], [MIN_GROUP - 1, 100])
    mixture = PeopleMixture.of(PeopleSample(people.vectors[: len(sizes)], sizes, BINS))
    assert not mixture.shares[0].any()
    assert not mixture.centres[0].any()
    assert mixture.shares[1].sum() == pytest.approx(1)


def test_it_is_read_as_it_was_saved(people, tmp_path):
    mixture = PeopleMixture.of(people)
    mixture.save(tmp_path)
    read = PeopleMixture.load(tmp_path)
    assert read.centres.shape == (2, GROUPS, 16)
    for name in ("centres", "shares", "spreads"):
        np.testing.assert_array_equal(getattr(read, name), getattr(mixture, name))


def test_an_artifact_without_one_says_what_to_do(tmp_path):
    with pytest.raises(StarvecError, match="materialize quantile_tables again"):
        PeopleMixture.load(tmp_path)
