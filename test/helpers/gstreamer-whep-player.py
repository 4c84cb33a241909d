"""Plays a WHEP resource through GStreamer's webrtcbin: gstreamer-whep-player.py URL H264|H265|VP8 [BARS]

Prints a line for each decoded picture, `picture WIDTH HEIGHT`, and for each piece of decoded sound, `sound`; with BARS
also `colours` and the colours of so many vertical bars of the picture, RRGGBB each. Ends with its standard input.
"""
import sys
import threading
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

CAPS = {
    # Without the mode the offer means mode 0, which carries no picture of more than one packet.
    "H264": "application/x-rtp,media=video,encoding-name=H264,payload=102,clock-rate=90000,"
    "packetization-mode=(string)1,profile-level-id=(string)42e01f",
    "H265": "application/x-rtp,media=video,encoding-name=H265,payload=104,clock-rate=90000",
    "VP8": "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000",
}
SOUND_CAPS = "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,encoding-params=(string)2"

Gst.init(None)
url, codec = sys.argv[1:3]
bars = int(sys.argv[3]) if len(sys.argv) > 3 else 0
loop = GLib.MainLoop()
pipeline = Gst.Pipeline.new()
webrtc = Gst.ElementFactory.make("webrtcbin")
webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
pipeline.add(webrtc)
# By itself it leaves out the loopback interface.
ice = webrtc.get_property("ice-agent")
ice.emit("add-local-ip-address", "127.0.0.1")


def say(line):
    print(line, flush=True)


def on_picture(_sink, buffer, pad):
    structure = pad.get_current_caps().get_structure(0)
    width, height = structure.get_int("width")[1], structure.get_int("height")[1]
    say(f"picture {width} {height}")
    if bars == 0:
        return
    # RGBA, so that no row is padded.
    pixels = buffer.extract_dup(0, buffer.get_size())
    middle = height // 2 * width
    starts = [4 * (middle + (2 * bar + 1) * width // (2 * bars)) for bar in range(bars)]
    say("colours " + " ".join(pixels[start : start + 3].hex() for start in starts))


def on_decoded(_decoder, pad):
    is_video = pad.get_current_caps().to_string().startswith("video")
    sink = Gst.ElementFactory.make("fakesink")
    sink.set_property("signal-handoffs", True)
    sink.connect("handoff", on_picture if is_video else lambda *_: say("sound"))
    elements = [sink]
    if is_video and bars > 0:
        converter, rgba = (Gst.ElementFactory.make(name) for name in ("videoconvert", "capsfilter"))
        rgba.set_property("caps", Gst.Caps.from_string("video/x-raw,format=RGBA"))
        elements = [converter, rgba, sink]
    for element in elements:
        pipeline.add(element)
    for element, following in zip(elements, elements[1:]):
        element.link(following)
    for element in elements:
        element.sync_state_with_parent()
    pad.link(elements[0].get_static_pad("sink"))


def on_track(_webrtc, pad):
    if pad.get_direction() != Gst.PadDirection.SRC:
        return
    decoder = Gst.ElementFactory.make("decodebin")
    decoder.connect("pad-added", on_decoded)
    pipeline.add(decoder)
    decoder.sync_state_with_parent()
    pad.link(decoder.get_static_pad("sink"))


def on_gathered(*_):
    if webrtc.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
        return
    offer = webrtc.get_property("local-description").sdp.as_text()
    request = urllib.request.Request(url, offer.encode(), {"content-type": "application/sdp"})
    with urllib.request.urlopen(request) as response:
        text = response.read().decode()
    _, sdp = GstSdp.SDPMessage.new_from_text(text)
    answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
    webrtc.emit("set-remote-description", answer, None)


def on_offer(promise):
    # The offer lasts as long as the reply that it is in.
    reply = promise.get_reply()
    offer = reply.get_value("offer")
    webrtc.emit("set-local-description", offer, None)


webrtc.connect("pad-added", on_track)
webrtc.connect("notify::ice-gathering-state", on_gathered)
for caps in (CAPS[codec], SOUND_CAPS):
    direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
    webrtc.emit("add-transceiver", direction, Gst.Caps.from_string(caps))
pipeline.set_state(Gst.State.PLAYING)
webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(on_offer))
threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
loop.run()
pipeline.set_state(Gst.State.NULL)
