from .alexnet_bn import AlexNetBN

__all__ = ['AlexNetBN']
