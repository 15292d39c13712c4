from .adversarial_training import AdversarialTrainer, GANReport
from .proxy_gan import AdamState, ProxyGAN
from .triplet_gan import (
    ProxyGenerator,
    TripletDiscriminator,
    discriminator_loss,
    generator_loss,
)
from .triplets import TripletSampler

__all__ = [
    'AdamState',
    'AdversarialTrainer',
    'GANReport',
    'ProxyGAN',
    'ProxyGenerator',
    'TripletDiscriminator',
    'TripletSampler',
    'discriminator_loss',
    'generator_loss',
]
