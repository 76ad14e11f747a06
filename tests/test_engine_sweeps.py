import pytest

from hrstyle.engine.layers import read_layers
from hrstyle.engine.sweeps import memory_of_plain_pass, plan, total_multiply_adds
from hrstyle.generator import paper, pyramid

PIXELS = 1024 * 1024


@pytest.fixture(params=[paper, pyramid])
def layers(request):
    return read_layers(request.param().eval())


@pytest.mark.parametrize("budget", [0, 2e7, 1e8, 1e12])
def test_a_plan_can_be_carried_out(layers, budget):
    measured, kept = set(), set()
    for sweep in plan(layers, pixels=PIXELS, budget=budget, itemsize=4):
        assert set(sweep.loaded) == kept
        ready = {layers[0]} | kept
        for layer in sweep.layers:
            assert layer in ready or set(layer.inputs) <= ready
            assert layer.kind != "norm" or layer in measured or layer in kept
            ready.add(layer)
        assert set(sweep.targets) <= ready
        assert not measured & set(sweep.norms)
        measured |= set(sweep.norms)
        kept = set(sweep.stored)
        assert sum(x.channels * PIXELS / x.stride**2 * 4 for x in kept) <= budget
    assert measured == {layer for layer in layers if layer.kind == "norm"}
    assert sweep.targets == [layers[-1]]


def test_more_memory_means_less_work(layers):
    work = [
        total_multiply_adds(plan(layers, pixels=PIXELS, budget=budget, itemsize=4))
        for budget in (0, 5e7, 1e8, 3e8, 1e12)
    ]
    assert work == sorted(work, reverse=True)
    assert work[0] > 3 * work[-1]
    # With all the memory it asks for hardly anything is computed twice.
    assert work[-1] < 1.3 * sum(layer.multiply_adds() for layer in layers)


def test_coarse_layers_are_kept_first():
    layers = read_layers(pyramid().eval())
    # 128 + 64 channels at 1/8 resolution fill it; a sweep at 1/4 could keep something as well.
    sweeps = plan(layers, pixels=PIXELS, budget=1.27e7, itemsize=4)
    assert {x.stride for s in sweeps for n in s.norms if n.stride == 4 for x in s.stored} >= {4}
    assert {x.stride for s in sweeps for n in s.norms if n.stride == 8 for x in s.stored} == {8}


def test_memory_of_a_plain_pass_grows_with_the_picture():
    layers = read_layers(paper().eval())
    one = memory_of_plain_pass(layers, pixels=PIXELS, itemsize=4)
    assert memory_of_plain_pass(layers, pixels=3 * PIXELS, itemsize=2) == 1.5 * one
    # The widest place: the concatenation's 192 channels, and the 192 that it is made of.
    assert one == (192 + 192) * PIXELS * 4
