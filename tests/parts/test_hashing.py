"""Hashes of integers against TensorFlow's own, which the examples of the layers reach for small numbers only.

The values were recorded with TensorFlow 2.21: `to_hash_bucket_fast`, `to_hash_bucket_strong` with KEY, and
`sparse.cross_hashed` of NUMBERS with themselves backwards, each with BUCKETS buckets.
"""

import torch

from keras2torch.parts.hashing import crossed_buckets, decimal_bytes, hash_buckets

BUCKETS = 2**61 - 1
KEY = (133, -137)
NUMBERS = [
    0,
    7,
    -1,
    42,
    123,
    -999,
    1234,
    56789,
    -1234567,
    12345678,
    -99999999,
    987654321012,
    -123456789012345,
    1234567890123456,
    98765432109876543,
    -1234567890123456789,
    9223372036854775807,
    -9223372036854775808,
]
FAST = [
    1363911219970409029,
    590358713228080284,
    416345237509994577,
    623910487284905736,
    1389097997109478225,
    2135822386599680965,
    882600748797058222,
    2000732091654615342,
    2255206051011892314,
    1124160918776690411,
    888144820150304977,
    599751571598142427,
    2106621217570508410,
    1098204296143930411,
    65126874729016575,
    377798304357900743,
    1210618486844592564,
    1493431938208774112,
]
STRONG = [
    661099006246447653,
    1044320380601416354,
    2161436754269147703,
    29046376928629426,
    827599639348901406,
    302201163163910133,
    114663107406230355,
    1223129097456484870,
    662052606634700262,
    1137461003049739180,
    124956752843266857,
    689931885810222735,
    757639083118747987,
    1790472309813918926,
    1555645076780508648,
    1412340366249538330,
    1019820335586854855,
    1905962606724443514,
]
CROSSED = [
    2073169662281832513,
    333852022636517620,
    1513249762434430680,
    1459194998430959891,
    1931014091912506135,
    1904276821532076419,
    1094485918554357574,
    379511653849126554,
    1585907743080122283,
    650744715311681502,
    796660845192544789,
    1843579509663046962,
    1041283297642930585,
    521288839055154176,
    1515216646246678814,
    849639883012064626,
    1400312657427790585,
    1175453881445803648,
]


def test_decimal_strings_of_every_length_and_of_both_ends() -> None:
    text, length = decimal_bytes(torch.tensor(NUMBERS))
    strings = [bytes(row[:size].tolist()).decode() for row, size in zip(text, length.tolist(), strict=True)]
    assert strings == [str(number) for number in NUMBERS]


def test_buckets_are_tensorflow_s() -> None:
    numbers = torch.tensor(NUMBERS)
    assert hash_buckets(numbers, BUCKETS).tolist() == FAST
    assert hash_buckets(numbers, BUCKETS, key=KEY).tolist() == STRONG
    assert crossed_buckets([numbers, numbers.flip(0)], BUCKETS).tolist() == CROSSED


def test_the_masked_number_has_a_bucket_of_its_own() -> None:
    numbers = torch.tensor([[7, 42], [0, 7]])
    others = hash_buckets(numbers, 4)
    buckets = hash_buckets(numbers, 5, masked=7)
    assert buckets.tolist() == [[0, others[0, 1] + 1], [others[1, 0] + 1, 0]]
    assert hash_buckets(numbers, 1, masked=7).tolist() == [[0, 0], [0, 0]]
