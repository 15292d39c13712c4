"""The study: ISL whose GAN plays by a hinge with a bounded discriminator.

Command: ``python tools/train.py configs/study/cifar10_isl_hinge.py``; with the
others of its table: docs/results.md. Hardware meant for: one CPU core, 10 to
20 s an epoch. Paper: no such data. Here: not run.

cifar10_isl.py with the hinge loss, spectral norm, and pairs ranked by how far
two images vote for the same neighbours.
"""

_base_ = 'cifar10_isl.py'

model = dict(
    miner=dict(
        ranking='shared_votes',
        spectral_norm=True,
        # So bounded, the discriminator stays in balance: that ends nothing
        # early, and later proxies come and go.
        training=dict(loss='hinge', max_iters=1600),
    )
)
