from .adversarial_training import AdversarialTrainer, GANReport
from .triplet_gan import (
    ProxyGenerator,
    TripletDiscriminator,
    discriminator_loss,
    generator_loss,
)
from .triplets import TripletSampler

__all__ = [
    'AdversarialTrainer',
    'GANReport',
    'ProxyGenerator',
    'TripletDiscriminator',
    'TripletSampler',
    'discriminator_loss',
    'generator_loss',
]
