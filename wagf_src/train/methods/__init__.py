"""Ways to train an arm that are not the cross-entropy of the profile's copies: one file a method.

``arms.METHODS`` names them. Each has a function ``build(model, inputs, image)``, which stands in the place of
``models.classifier.with_inputs`` and returns a ``Classifier`` that trains the weights of ``model``.
"""
