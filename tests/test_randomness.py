import torch

from tricktable.runner.randomness import generator, key, rekey


def test_keys_depend_on_every_part_and_on_its_type():
    positions = [(0, "order", 1), (0, "order", 2), (1, "order", 1), (0, "augment", 1), (0, "order", "1"), (0, "order1")]
    assert len({key(*p) for p in positions}) == len(positions)
    assert all(0 <= key(*p) < 2**63 for p in positions)


def test_a_key_never_changes():
    """Saved runs are continued by later versions: the same position must give the same draw for ever."""
    assert key(0, "order", 0) == 516879229434908400
    assert torch.randperm(5, generator=generator(0, "order", 0)).tolist() == [0, 4, 3, 1, 2]


def test_generators_have_streams_of_their_own():
    first, again, other = (torch.rand(100, generator=generator(3, "order", e)) for e in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_rekey_puts_the_default_generator_at_a_position():
    cpu = torch.device("cpu")
    rekey(cpu, 0, "noise", 5)
    first = torch.rand(4)
    torch.rand(100)
    rekey(cpu, 0, "noise", 5)
    assert torch.equal(first, torch.rand(4))
