import torch

import translate


class Inverted(torch.utils.data.Dataset):
    def __len__(self):
        return 16

    def __getitem__(self, index):
        photo = torch.rand(3, 1, 1, generator=torch.Generator().manual_seed(index)).expand(3, 32, 32) * 2 - 1
        return {"input": photo, "target": -photo}


options = {"generator": torch.nn.Conv2d(3, 3, 1), "discriminator": "pixel"}
model = translate.train("pix2pix", Inverted(), epochs=30, batch_size=4, optimizer={"lr": 0.02}, options=options)
pairs = [Inverted()[index] for index in range(4)]
picture = translate.sheet([[pair["input"], model(pair["input"]), pair["target"]] for pair in pairs])
