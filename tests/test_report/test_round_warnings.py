from mmisl.report.round_warnings import round_warnings

GOOD = dict(
    edges_requested=50,
    edges_accepted=50,
    num_hubs=0,
    mean_degree=2.0,
    max_degree=9,
    gan_gap=0.1,
)


def record(index, **numbers):
    logged = dict(round=index, **numbers)
    return {f'mining/{name}': value for name, value in logged.items()}


def test_round_warnings__by_round():
    found = round_warnings(
        [
            dict(loss=1.0, epoch=1),
            record(0, **{**GOOD, 'edges_accepted': 0, 'gan_gap': -0.8}),
            record(1, **{**GOOD, 'edges_accepted': 20}),
            record(2, **{**GOOD, 'num_hubs': 3, 'max_degree': 70}),
            record(3, **GOOD),
        ]
    )
    assert sorted(found) == [0, 1, 2, 3]
    nothing, gan = found[0]
    assert nothing.startswith('no edge mined (50 asked for); where')
    assert gan.startswith('unbalanced GAN')
    assert [text.split(':')[0] for text in found[1]] == ['quota not met']
    assert 'hubs: 3 samples' in found[2][0] and '70' in found[2][0]
    assert found[3] == []


def test_round_warnings__a_miner_without_a_gan():
    numbers = {key: GOOD[key] for key in GOOD if key != 'gan_gap'}
    assert round_warnings([record(0, **numbers)]) == {0: []}


def test_round_warnings__what_the_gate_refused_was_found():
    counts = dict(edges_accepted=20, edges_refused=30)
    assert round_warnings([record(0, **{**GOOD, **counts})]) == {0: []}
    counts = dict(edges_accepted=0, edges_refused=20)
    ((text,),) = round_warnings([record(0, **{**GOOD, **counts})]).values()
    assert text.startswith('quota not met: 20 of 50 edges')


def test_round_warnings__clusters():
    collapsed = record(4, num_clusters=10, largest_share=0.99)
    ((text,),) = round_warnings([collapsed]).values()
    assert text.startswith('one cluster holds 99 %')


def test_round_warnings__too_few_numbers_of_an_earlier_version():
    assert round_warnings([record(0, purity=0.5, seconds=2.0)]) == {}
