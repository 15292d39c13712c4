from .adversarial_training import AdversarialTrainer, GANReport
from .objectives import (
    OBJECTIVES,
    Objective,
    hinge_discriminator_loss,
    hinge_generator_loss,
)
from .proxy_gan import AdamState, ProxyGAN
from .triplet_gan import (
    ProxyGenerator,
    TripletDiscriminator,
    discriminator_loss,
    generator_loss,
)
from .triplets import TripletSampler

__all__ = [
    'OBJECTIVES',
    'AdamState',
    'AdversarialTrainer',
    'GANReport',
    'Objective',
    'ProxyGAN',
    'ProxyGenerator',
    'TripletDiscriminator',
    'TripletSampler',
    'discriminator_loss',
    'generator_loss',
    'hinge_discriminator_loss',
    'hinge_generator_loss',
]
